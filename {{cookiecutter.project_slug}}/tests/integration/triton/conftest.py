"""A server for each file of tests, and a model on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.integrations.triton.repository import ModelRepository
from {{ cookiecutter.project_slug }}.integrations.triton.swap import swap

from tests.tritons import Triton, houses, placement, running


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    """A server that is ready."""
    with running(tmp_path_factory.mktemp("triton") / "models") as server:
        yield server


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The servables of `house` by version."""
    return houses(tmp_path_factory.mktemp("servables"))


@pytest.fixture
def house(triton: Triton, folders: dict[int, Path]) -> ModelRepository:
    """The model's folder; version 1 is served."""
    repository = ModelRepository(triton.repository, "house")
    swap(triton.server(), repository, placement(folders[1], 1), lambda: None)
    return repository
