"""Pages for demos and QA of the served model. They talk to the API and hold no model."""
