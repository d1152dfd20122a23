"""Fitting, cross-validation, and export to a servable."""
