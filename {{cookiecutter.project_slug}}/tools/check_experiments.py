"""Every experiment composes and says what it is about; so does every table, front-end and model that can be chosen."""

import sys
from pathlib import Path

from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.config import TrainConfig, validate
from {{ cookiecutter.project_slug }}.utils.verb import compose

CHOICES = ("data", "features", "model")
"""Groups whose files are chosen one by one, apart from an experiment."""
BASE = "base"
"""The file that the others of its group start from; it is no choice by itself."""


def problems(config: Path) -> list[str]:
    """One line per file that `train` does not take, or an experiment without a description.

    Args:
        config: the folder `config` of the working directory.
    """
    said = {}
    for file in sorted((config / "experiment").glob("*.yaml")):
        said[file], description = _composed(f"experiment={file.stem}")
        if said[file] is None and not description.strip():
            said[file] = "it has no description: write one line that says what is predicted"
    for group in CHOICES:
        for file in sorted((config / group).glob("*.yaml")):
            if file.stem != BASE:
                said[file], _ = _composed(f"{group}={file.stem}", "~experiment")
    return [f"{file.as_posix()}: {problem}" for file, problem in said.items() if problem is not None]


def _composed(*overrides: str) -> tuple[str | None, str]:
    """What is wrong with the configuration of `train`, and its description."""
    try:
        return None, validate(TrainConfig, compose("train", list(overrides))).description
    except UserError as error:
        return f"it does not compose: {error}", ""


if __name__ == "__main__":
    lines = problems(Path("config"))
    print(*lines, sep="\n", end="\n" if lines else "")
    sys.exit(bool(lines))
