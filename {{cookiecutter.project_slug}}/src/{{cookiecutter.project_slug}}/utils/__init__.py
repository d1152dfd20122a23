"""Small functions that every part may use."""
