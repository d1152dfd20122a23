"""Mistakes that somebody might make in `.woodpecker/`: what a test finds only if it is one."""

import re
from collections.abc import Callable
from pathlib import Path

Change = Callable[[Path], None]
"""Changes the files in a folder."""


def without(workflow: str, step: str) -> Change:
    """A file that lacks a step."""

    def change(folder: Path) -> None:
        path = folder / f"{workflow}.yaml"
        text = path.read_text(encoding="utf-8")
        cut = re.sub(rf"^  - name: {step}\n(?:    .*\n|\n)*", "", text, flags=re.MULTILINE)
        assert cut != text
        path.write_text(cut, encoding="utf-8")

    return change


def absent(workflow: str) -> Change:
    """No such file."""
    return lambda folder: (folder / f"{workflow}.yaml").unlink()


def replaced(workflow: str, old: str, new: str) -> Change:
    """A file with another text in the place of one that it has."""

    def change(folder: Path) -> None:
        path = folder / f"{workflow}.yaml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    return change


def both(*changes: Change) -> Change:
    """All of them, in their order."""

    def change(folder: Path) -> None:
        for one in changes:
            one(folder)

    return change


def idle(folder: Path) -> None:
    """Checks that check nothing; their steps are there, and take no time."""
    path = folder / "check.yaml"
    path.write_text(re.sub(r"^( +- )make .*", r'\1"true"', path.read_text("utf-8"), flags=re.M), encoding="utf-8")
