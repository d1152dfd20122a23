"""Training ends in a servable; everything that serves, scores, compares or gates a model sees only that."""
