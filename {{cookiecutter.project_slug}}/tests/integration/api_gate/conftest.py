"""A servable for each file of tests, and what the service logs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from tests.servables import write_servable


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_servable(tmp_path_factory.mktemp("servables") / "price")


@pytest.fixture
def records() -> Iterator[list[dict[str, Any]]]:
    """What is bound to each line of the access log, with its message and traceback."""
    lines: list[dict[str, Any]] = []

    def keep(message: Any) -> None:
        record = message.record
        lines.append({**record["extra"], "message": record["message"], "text": str(message)})

    sink = logger.add(keep, level="INFO", format="{message}", diagnose=False)
    yield lines
    logger.remove(sink)
