"""Everything that puts a servable to work; one folder per target."""
