"""`python -m deployment.dashboards dashboard.api=... dashboard.port=...`: the pages in this process."""

import socket
from typing import TYPE_CHECKING

from {{ cookiecutter.project_slug }}.utils.verb import run_verb

if TYPE_CHECKING:
    from omegaconf import DictConfig


def dashboard(cfg: "DictConfig") -> None:
    """Serve the pages until SIGINT or SIGTERM.

    Raises:
        UserError: a mistake in the configuration, a UI that is not there, or a port that is taken.
    """
    from importlib import import_module
    from importlib.util import find_spec

    from loguru import logger

    from {{ cookiecutter.project_slug }}.ports import UserError
    from {{ cookiecutter.project_slug }}.schemas.config import validate
    from {{ cookiecutter.project_slug }}.schemas.dashboard import DashboardConfig

    settings = validate(DashboardConfig, cfg).dashboard
    if not settings.ui.isidentifier() or find_spec(f"{__package__}.{settings.ui}") is None:
        raise UserError(f"config: dashboard.ui: there is no deployment/dashboards/{settings.ui}.py")
    port = free_port(settings.host, settings.port)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    logger.info("the dashboard of {} is at http://{}:{}", settings.api, host, port)
    import_module(f".{settings.ui}", __package__).serve(settings.model_copy(update={"port": port}))


def free_port(host: str, port: int) -> int:
    """The port, or a free one for 0.

    Raises:
        UserError: it cannot be listened at.
    """
    from {{ cookiecutter.project_slug }}.ports import UserError

    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = str(error.strerror).partition(" (")[0]
            line = f"cannot listen on {host}:{port} ({reason}): set dashboard.host or dashboard.port"
            raise UserError(line) from None
        found: int = probe.getsockname()[1]
        return found


if __name__ == "__main__":
    run_verb("dashboard", dashboard, stops_on_sigterm=False)
