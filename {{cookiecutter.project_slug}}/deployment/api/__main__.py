"""`python -m deployment.api serving.reference=... serving.port=...`: the HTTP service in this process."""

import socket
from typing import TYPE_CHECKING

from {{ cookiecutter.project_slug }}.utils.verb import run_verb

if TYPE_CHECKING:
    from omegaconf import DictConfig


def serve(cfg: "DictConfig") -> None:
    """Load the model, listen, and answer until SIGINT or SIGTERM.

    Raises:
        UserError: a mistake in the configuration, a servable that does not load, or a port that is taken.
    """
    import uvicorn
    from loguru import logger

    from {{ cookiecutter.project_slug }}.schemas.config import ServeConfig, validate

    from .app import create_app

    config = validate(ServeConfig, cfg).serving
    app = create_app(config)
    listening = listen(config.host, config.port)
    host = f"[{config.host}]" if ":" in config.host else config.host
    address = f"http://{host}:{listening.getsockname()[1]}"
    logger.info("serving {} at {}, docs at {}/docs", app.state.served.title, address, address)
    uvicorn.Server(uvicorn.Config(app, log_config=None)).run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one.

    Raises:
        UserError: the address cannot be had.
    """
    from {{ cookiecutter.project_slug }}.ports import UserError

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]
        raise UserError(f"cannot listen on {host}:{port} ({reason}): set serving.host or serving.port") from None


if __name__ == "__main__":
    run_verb("serve", serve, stops_on_sigterm=False)
