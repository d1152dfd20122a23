"""Metrics, figures, feature importance. Fits nothing."""
