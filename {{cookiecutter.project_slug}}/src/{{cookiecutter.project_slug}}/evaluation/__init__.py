"""Metrics, comparison, figures, feature importance. Fits nothing."""
