"""The HTTP service: a servable behind `/predict`."""
