"""A registry with one version, and what is logged."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from loguru import logger

from tests.registries import FollowedRegistry
from tests.servables import write_servable


@pytest.fixture
def registry(tmp_path: Path) -> FollowedRegistry:
    fake = FollowedRegistry(tmp_path / "cache")
    fake.add("1", write_servable(tmp_path / "v1"))
    return fake


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="INFO")
    yield lines
    logger.remove(sink)
