"""One Hydra entry point per verb: the only place where things are wired together."""
