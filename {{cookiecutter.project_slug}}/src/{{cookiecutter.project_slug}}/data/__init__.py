"""Sources, validation, preparation and splits."""
