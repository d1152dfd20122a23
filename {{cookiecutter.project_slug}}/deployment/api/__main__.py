"""`python -m deployment.api serving.reference=... serving.port=...`: the HTTP service in this process."""

import os
import signal
import socket
from typing import TYPE_CHECKING

from {{ cookiecutter.project_slug }}.utils.verb import run_verb

if TYPE_CHECKING:
    from omegaconf import DictConfig

BACKLOG = 2048
"""Connections that wait to be accepted."""


def serve(cfg: "DictConfig") -> None:
    """Load the model, listen, and answer until SIGINT or SIGTERM.

    Raises:
        UserError: a mistake in the configuration, a servable that does not load, or a port that is taken.
    """
    from loguru import logger

    from {{ cookiecutter.project_slug }}.schemas.config import ServeConfig, validate

    from .app import create_app
    from .server import DrainingServer, end_at_once

    signal.signal(signal.SIGTERM, end_at_once)  # while there is nothing to drain yet
    config = validate(ServeConfig, cfg).serving
    address = bind(config.host, config.port)  # before the model, which takes its time
    app = create_app(config)
    address.listen(BACKLOG)
    host = f"[{config.host}]" if ":" in config.host else config.host
    url = f"http://{host}:{address.getsockname()[1]}"
    title = app.state.served.title if app.state.served else f"nothing yet of {config.reference}"
    logger.info("serving {} at {}, docs at {}/docs", title, url, url)
    DrainingServer(app).run(sockets=[address])
    if app.pool.busy:
        logger.warning("ended while inference was still running")
        os._exit(0)  # a thread in the graph can be neither stopped nor waited for


def bind(host: str, port: int) -> socket.socket:
    """A socket with an address that nobody else listens at; port 0 takes a free one.

    Raises:
        UserError: the address cannot be had.
    """
    from {{ cookiecutter.project_slug }}.ports import UserError

    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        if os.name == "posix":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what a server before left is no hindrance
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        reason = str(error.strerror).partition(" (")[0]
        raise UserError(f"cannot listen on {host}:{port} ({reason}): set serving.host or serving.port") from None
    return bound


if __name__ == "__main__":
    run_verb("serve", serve, stops_on_sigterm=False)
