"""A project of its own for a test: the configuration copied, everything that is written stays below it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from {{ cookiecutter.project_slug }}.utils.verb import compose

PACKAGE = compose.__module__.split(".")[0]
ROOT = Path(__file__).parents[1]
FAST = ["trainer.max_epochs=3", "evaluation.importance_repeats=1", "progress=false"]


def make_project(folder: Path) -> Path:
    """Copy what the verbs read."""
    shutil.copytree(ROOT / "config", folder / "config")
    return folder


def store() -> str:
    """The embedded store of the working directory; by its whole path, since MLflow keeps stores by their address."""
    return f"sqlite:///{Path.cwd() / 'mlflow.db'}"


def composed(verb: str, *overrides: str):
    """The configuration of a verb, for a call in process."""
    return compose(verb, list(overrides))


def run_verb(folder: Path, verb: str, *overrides: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a verb as a user does: a process in the project's folder."""
    command = [sys.executable, "-m", PACKAGE + f".cli.{verb}", *overrides]
    return subprocess.run(command, cwd=folder, env=environment_of(**environment), capture_output=True, text=True)


def environment_of(**more: str) -> dict[str, str]:
    """This process's environment, with the package on the path, and without the store that MLflow leaves there."""
    kept = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    return kept | {"PYTHONPATH": str(ROOT / "src")} | more


def check_cleared(name: str) -> None:
    """A variable that is set when the tests begin is none of theirs."""
    code = f"import os, tests.conftest; assert {name!r} not in os.environ"
    environment = environment_of(PYTHONPATH=f"{ROOT / 'src'}{os.pathsep}{ROOT}", **{name: "http://127.0.0.1:9"})
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)
