"""Triton as a place that the gate on deployment asks."""

from pathlib import Path
from typing import Any

from ...inference.engine import Engine
from ...schemas.config import checked
from ...schemas.triton import TritonSettings
from .placement import Placement
from .server import Server
from .swap import rehearse


class TritonPlace:
    """A server that is to answer a candidate's golden rows; a `ports.Place`.

    Args:
        settings: those of `config/triton/default.yaml`.
    """

    def __init__(self, **settings: Any) -> None:
        self._settings = checked(TritonSettings, settings)

    def check(self, folder: Path, version: str) -> str:
        """Rehearse the version on the server that is named; see `ports.Place`."""
        settings = self._settings
        if settings.server is None:
            return "not asked, since TRITON_SERVER names no server"
        placement = Placement(Engine(folder), int(version), settings)
        rows = rehearse(Server.of(settings), placement, f"gate-{version}")
        return f"{settings.server} answered {rows} golden rows"
