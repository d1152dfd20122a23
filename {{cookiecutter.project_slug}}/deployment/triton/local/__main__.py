"""Installs the local server once, and becomes it."""

import argparse
import os
import sys
from pathlib import Path

from {{ cookiecutter.project_slug }}.ports import UserError

from .environment import home, install


def main() -> None:
    """See `--help`."""
    parser = argparse.ArgumentParser(prog="python -m deployment.triton.local", description=__doc__)
    parser.add_argument("--install", action="store_true", help="install alone, and start nothing")
    parser.add_argument("--repository", type=Path, default="outputs/triton", help="the model repository")
    parser.add_argument("--http", default="127.0.0.1:8000", metavar="HOST:PORT", help="of the HTTP door")
    parser.add_argument("--grpc", default="127.0.0.1:8001", metavar="HOST:PORT", help="of the gRPC door")
    arguments = parser.parse_args()
    try:
        installed = install(home())
    except UserError as error:
        sys.exit(f"error: {error}")
    if not arguments.install:
        arguments.repository.mkdir(parents=True, exist_ok=True)
        command = installed.command(arguments.repository, arguments.http, arguments.grpc)
        os.execve(command[0], command, installed.environment())


if __name__ == "__main__":
    main()
