"""Woodpecker, as far as this project's pipelines use it: the real files of `.woodpecker/` are read and run.

What a file says and this harness does not know is an error, never passed over; so a pipeline that runs here runs there:

- `events`: what has happened (a push, a tag, …), and the variables that Woodpecker makes of it;
- `text`: `${NAME}` in a file, and the globs and expressions of `when`;
- `workflows`: which workflows and steps of the files an event starts, with what in their environment;
- `agent`: the clone, and the steps' commands in a shell that has nothing else.

A step's image is not run: the tools that it brings are on the PATH (`agent.tools`), and of `docker` no others.
"""
