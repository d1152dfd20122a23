"""Images and the stack that runs them on one machine."""
