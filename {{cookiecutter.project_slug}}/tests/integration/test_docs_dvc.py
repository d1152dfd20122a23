"""What docs/dvc.md says, taken literally."""

import os
import sys
from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.schemas.contract import Contract

from tests.pages import committed, copy_of_the_project, follow
from tests.pipelines import git, ran, recorded

pytestmark = pytest.mark.slow


def test_dvc(tmp_path, monkeypatch):
    project = committed(copy_of_the_project(tmp_path / "project"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")  # activated once
    for name, value in (("NAME", "Test"), ("EMAIL", "test@example.com")):
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)
    printed = follow(project, "dvc.md")
    trained = ["train@diabetes", "train@wine", "train@wine", "train@wine"]  # first, first, a trial, from a clean tree
    assert [stage for stage in ran(printed) if stage.startswith("train@")] == trained
    assert "| strong" in printed
    for name in ("diabetes", "wine"):
        servable = Contract.read(project / f"outputs/clone/pipeline/{name}/train/servable")
        assert servable.provenance.dirty is False
        assert recorded(project / "outputs/clone", f"fetch@{name}", f"data/raw/{name}")
    assert git(project, "status", "--porcelain") == "?? server.log\n"
    assert git(project / "outputs/clone", "status", "--porcelain") == ""
    assert (project / "outputs/clone/data/wine.csv").read_bytes() == (project / "data/wine.csv").read_bytes()
