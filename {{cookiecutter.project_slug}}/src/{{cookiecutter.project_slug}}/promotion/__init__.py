"""What a version must pass before an alias moves to it, and which moves there are."""
