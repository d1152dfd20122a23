"""Triton Inference Server: its model repository, its control, and the swap of one version for another."""
