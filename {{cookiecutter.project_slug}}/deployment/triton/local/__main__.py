"""Installs the local server once, and becomes it."""

import argparse
import os
import socket
import sys
from pathlib import Path

from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.utils.verb import one_line

from .environment import home, install


def main() -> None:
    """See `--help`."""
    parser = argparse.ArgumentParser(prog="python -m deployment.triton.local", description=__doc__)
    parser.add_argument("--install", action="store_true", help="install alone, and start nothing")
    parser.add_argument("--repository", type=Path, default="outputs/triton", help="the model repository")
    parser.add_argument("--http", type=_address, default="127.0.0.1:8000", metavar="HOST:PORT", help="of the HTTP door")
    parser.add_argument("--grpc", type=_address, default="127.0.0.1:8001", metavar="HOST:PORT", help="of the gRPC door")
    arguments = parser.parse_args()
    try:
        installed = install(home())
        arguments.repository.mkdir(parents=True, exist_ok=True)
        if not arguments.install:
            _check_free("--http", arguments.http)
            _check_free("--grpc", arguments.grpc)
    except (UserError, OSError) as error:
        sys.exit(f"error: {one_line(error)}")
    if arguments.install:
        print(f"the local tritonserver is in {installed.folder}")
    else:
        command = installed.command(arguments.repository, arguments.http, arguments.grpc)
        os.execve(command[0], command, installed.environment())


def _check_free(option: str, address: str) -> None:
    """The server says that a port is taken at the end of eighty lines, after it has loaded the models."""
    host, _, port = address.rpartition(":")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError as error:
            raise UserError(f"cannot listen on {address} ({error.strerror}): set {option}") from None


def _address(text: str) -> str:
    """The server itself takes a bare port for all of the machine's addresses, and another for one beyond 65535."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"give HOST:PORT, not {text!r}")
    return text


if __name__ == "__main__":
    main()
