"""Estimators: a Lightning MLP, and anything with scikit-learn's interface."""
