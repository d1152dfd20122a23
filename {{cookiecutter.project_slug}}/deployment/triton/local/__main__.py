"""Installs the local server once, and becomes it."""

import argparse
import os
import socket
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
        if not arguments.install:
            check_free("--http", arguments.http)
            check_free("--grpc", arguments.grpc)
        installed = install(home())
    except UserError as error:
        sys.exit(f"error: {error}")
    if arguments.install:
        print(f"the local tritonserver is in {installed.folder}")
    else:
        arguments.repository.mkdir(parents=True, exist_ok=True)
        command = installed.command(arguments.repository, arguments.http, arguments.grpc)
        os.execve(command[0], command, installed.environment())


def check_free(option: str, address: str) -> None:
    """Whether a door can be opened; tritonserver says it in the last of eighty lines, after it has loaded the models.

    Args:
        option: names the door, in an error.
        address: host:port.

    Raises:
        UserError: it is no address, or cannot be listened at.
    """
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal() and 0 < int(port) < 65536):
        raise UserError(f"{option}: {address!r} is no address: write it as 127.0.0.1:8000")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError as error:
            raise UserError(f"cannot listen on {address} ({error.strerror}): set {option}") from None


if __name__ == "__main__":
    main()
