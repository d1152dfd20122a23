"""A repository with one commit, and a registry with two versions that were trained from it."""

import pytest

from tests.project import make_project
from tests.repositories import repository
from tests.unit.release.worlds import World


@pytest.fixture
def trained(tmp_path, monkeypatch) -> str:
    """The commit that trained, in a repository in the working directory."""
    project = make_project(tmp_path / "project")
    monkeypatch.chdir(project)
    return repository(project)


@pytest.fixture
def world(trained, tmp_path) -> World:
    return World(tmp_path / "servable", commit=trained)
