"""What `make stack` and its siblings run: the project's compose.yaml, its secrets, its accounts and its backups."""
