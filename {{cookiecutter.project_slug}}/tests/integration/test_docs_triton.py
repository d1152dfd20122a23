"""docs/triton.md does what it says."""

import re
from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.integrations.triton.repository import ModelRepository

from deployment.triton.local.environment import VARIABLE
from tests.pages import committed, copy_of_the_project, follow
from tests.project import PACKAGE
from tests.tritons import installed

pytestmark = pytest.mark.slow


def test_triton(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(installed().folder))
    project = committed(copy_of_the_project(tmp_path / "project"))
    printed = follow(project, "triton.md")
    assert re.search(
        r"^passed   deployable +the service was ready .+; triton: 127\.0\.0\.1:\d+ answered \d+ golden", printed, re.M
    )
    answers = re.findall(r"^version (\d) over (\w+): (.+)$", printed, re.M)
    assert [(version, door) for version, door, _ in answers] == [("1", "HTTP"), ("1", "gRPC")]
    assert answers[0][2] == answers[1][2]
    assert re.search(rf"serves version 2 of {PACKAGE}: \d+ golden rows agree$", printed, re.M)
    repository = ModelRepository(project / "outputs/triton", PACKAGE)
    assert (repository.versions, repository.pointer) == ([3, 2, 1], repository.config(3))
