"""The front-end: what is computed from one row, fitted on the training split and written into the graph."""
