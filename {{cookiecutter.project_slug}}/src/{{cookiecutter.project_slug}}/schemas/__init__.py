"""What the configuration and a servable's contract must look like."""
