"""A project that its owner has edited takes in a newer template with cruft: edits stay, news arrive, checks pass."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from baking import FOLDER, Bake, commit, copy_template, output

Stream = Callable[..., str]
OLD = "0.0.9"
CRUFT = [sys.executable, "-m", "cruft"]
GONE = "docs/outdated.md"
"""What the older template had and today's has no more."""
NEW = ["tests/integration/test_released_contracts.py", "tests/released"]
"""What the older one had not yet; among it files that are no text."""
THREADS = f"src/{FOLDER}/utils/threads.py"
OLDER = [
    ("config/model/linear.yaml", "# strength of the penalty", "# penalty"),
    ("README.md", "| see all targets | `make help` |", "| list the targets | `make help` |"),
    ("Makefile", "# torch for the CPU; ", "# torch. "),
    (THREADS, "they sleep instead.", "they sleep."),
]
"""Lines as today's template has them, and as the older one had them."""
NAME_THE_VERSION = [".cruft.json", ".template.json", "CHANGELOG.md", "README.md"]
EDITS = [
    ("config/model/linear.yaml", "C: 1.0 ", "C: 0.5 "),
    ("README.md", "| a GPU | ", "| our own wiki | https://wiki.example.com |\n| a GPU | "),
    ("Makefile", "UI_PORT ?= 5000", "UI_PORT ?= 5050"),
]
"""What the owner changes, each within the lines around a change of the template's."""
EXPERIMENT = """\
# @package _global_
# Ridge regression on the default table.
defaults:
  - override /data: diabetes
  - override /model: linear

description: Ridge regression on the default table.
"""


def replace(folder: Path, changes: list[tuple[str, str, str]]) -> None:
    """Replace one text in each of the files, which must hold it once."""
    for name, before, after in changes:
        text = (folder / name).read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{name}: {before!r} is there {text.count(before)} times"
        (folder / name).write_text(text.replace(before, after), encoding="utf-8")


@dataclass(frozen=True)
class Releases:
    """A template with two tags: an older one, and its files of today."""

    path: Path
    new: str

    @property
    def tag(self) -> str:
        """Today's."""
        return f"v{self.new}"


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    """Today's files, and before them what differed in an older release."""
    copy = copy_template(tmp_path / "ml-template")
    new = json.loads((copy / "cookiecutter.json").read_text(encoding="utf-8"))["_template_version"]
    replace(copy, [("cookiecutter.json", f'"_template_version": "{new}"', f'"_template_version": "{OLD}"')])
    replace(copy / FOLDER, OLDER)
    (copy / FOLDER / GONE).write_text("# Outdated\n", encoding="utf-8")
    for name in NEW:
        path = copy / FOLDER / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    commit(copy, f"v{OLD}")
    (copy / FOLDER / GONE).unlink()
    copy_template(copy)
    commit(copy, f"v{new}")
    return Releases(copy, new)


@pytest.fixture
def edited(releases: Releases, tmp_path: Path) -> Bake:
    """A bake of the older release, edited and committed."""
    answers = json.dumps({"project_slug": "edited"})
    options = ["--no-input", "--checkout", f"v{OLD}", "--extra-context", answers]
    output(*CRUFT, "create", str(releases.path), *options, cwd=tmp_path)
    project = Bake(tmp_path / "edited")
    commit(project.path, "first")
    replace(project.path, EDITS)
    (project.path / "config/experiment/mine.yaml").write_text(EXPERIMENT, encoding="utf-8")
    commit(project.path, "mine")
    return project


def test_the_older_release_was_another(edited: Bake) -> None:
    assert json.loads(edited.text(".template.json"))["version"] == OLD
    assert "# penalty" in edited.text("config/model/linear.yaml")
    assert GONE in edited.files()
    assert [name for name in edited.files() if name.startswith(tuple(NEW))] == []


@pytest.mark.slow
def test_an_edited_project_is_updated(
    edited: Bake, releases: Releases, expected_files: Callable[..., set[str]], bake_environment: Path, stream: Stream
) -> None:
    edited.run(*CRUFT, "update", "--skip-apply-ask", "--checkout", releases.tag)

    # Exactly today's files and the owner's: nothing rejected, nothing left behind.
    assert edited.files() == expected_files("edited") | {".cruft.json", "config/experiment/mine.yaml"}
    news = {name for name in edited.files() if name.startswith(tuple(NEW))}
    changed = {name.replace(FOLDER, "edited") for name, *_ in OLDER} | {GONE, *NAME_THE_VERSION}
    edited.run("git", "add", "--all")
    assert set(edited.run("git", "diff", "--cached", "--name-only").split()) == changed | news
    assert json.loads(edited.text(".template.json"))["version"] == releases.new
    for name, today, _ in OLDER:
        assert today in edited.text(name.replace(FOLDER, "edited"))
    for name, _, mine in EDITS:
        assert mine in edited.text(name)
    assert edited.text("config/experiment/mine.yaml") == EXPERIMENT
    assert "up to date" in edited.run(*CRUFT, "check", "--checkout", releases.tag)

    stream(edited, "make", "style", f"VENV={bake_environment}")
    checks = ["tests/unit/test_config.py", *(name for name in NEW if name.endswith(".py"))]
    python = str(bake_environment / "bin" / "python")
    stream(edited, python, "-m", "pytest", "-q", "-m", "not slow", *checks)
