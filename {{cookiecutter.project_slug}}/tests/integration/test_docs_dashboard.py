"""docs/dashboard.md, taken literally."""

from pathlib import Path

import pytest

from tests.pages import copy_of_the_project, follow
from tests.project import PACKAGE

pytestmark = pytest.mark.slow


def test_the_page(tmp_path: Path) -> None:
    project = copy_of_the_project(tmp_path / "project")
    printed = follow(project, "dashboard.md")
    assert f'"reference":"models:/{PACKAGE}@dev","name":"{PACKAGE}","version":"1","alias":"dev"' in printed
    assert '"metrics":{"test/' in printed
    assert f"no gates have judged version 1 of {PACKAGE} for dev, or no report is kept" in printed
