"""Triton Inference Server; what runs where is in the README beside this file."""
