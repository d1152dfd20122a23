"""Refitting a registered version from what was recorded of it, and saying what came out the same."""
