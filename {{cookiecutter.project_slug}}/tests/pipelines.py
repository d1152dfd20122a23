"""A project whose pipeline DVC runs, with small models, and what DVC says of it."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from tests.pages import committed, copy_of_the_project
from tests.project import PACKAGE, environment_of

RUNNING = re.compile(r"^Running stage '(.+)'", re.MULTILINE)
SMALL, OWN = "small", "own"
"""Experiments: the bundled diabetes table, and a table of the user's own."""


def make_pipelined(folder: Path) -> Path:
    """A committed project with two experiments, each a linear model that is trained in a moment."""
    copy_of_the_project(folder)
    for name, data in ((SMALL, "diabetes"), (OWN, "own")):
        write_experiment(folder, name, data)
    described = yaml.safe_load((folder / "config/data/diabetes.yaml").read_text(encoding="utf-8"))
    described |= {"name": OWN, "path": "data/own.csv", "source": None, "target": "y", "columns": dict.fromkeys("xy", {"kind": "number"})}  # fmt: skip
    (folder / "config/data/own.yaml").write_text(yaml.safe_dump(described), encoding="utf-8")
    write_own_table(folder, slope=2)
    listed = {SMALL: {"reads": f"src/{PACKAGE}/data/sources.py"}, OWN: {"reads": "data/own.csv"}}
    pipeline = yaml.safe_load((folder / "dvc.yaml").read_text(encoding="utf-8"))
    pipeline["vars"] = [{"experiments": listed}]
    (folder / "dvc.yaml").write_text(yaml.safe_dump(pipeline), encoding="utf-8")
    return committed(folder)


def write_experiment(folder: Path, name: str, data: str) -> None:
    text = f"""\
# @package _global_
# What it is about.
defaults:
  - override /data: {data}
  - override /model: linear

description: A small one
evaluation:
  importance_repeats: 0   # quick
  golden_rows: 64
mlflow:
  experiment: {name}
  model: {name}
"""
    (folder / f"config/experiment/{name}.yaml").write_text(text, encoding="utf-8")


def write_own_table(folder: Path, slope: int) -> None:
    """120 rows of a straight line with a little noise."""
    rows = [f"{x},{slope * x + x * x % 7}" for x in range(120)]
    (folder / "data/own.csv").write_text("\n".join(["x,y", *rows]) + "\n", encoding="utf-8")


def environment(**more: str) -> dict[str, str]:
    """With the environment of this interpreter active, as after `source .venv/bin/activate`."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return environment_of(PATH=path, **more)


def dvc(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run DVC, whether it succeeds or not."""
    return subprocess.run(["dvc", *arguments], cwd=folder, env=environment(**more), capture_output=True, text=True)


def said(folder: Path, *arguments: str, **more: str) -> str:
    """What DVC prints when it succeeds."""
    done = dvc(folder, *arguments, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ran(printed: str) -> list[str]:
    """The stages that were run, in order."""
    return RUNNING.findall(printed)


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    return subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def commit(folder: Path) -> None:
    """Everything that git does not ignore."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "next")


def stages_of(names: Sequence[str], experiments: Sequence[str]) -> set[str]:
    """Such as `train@small`."""
    return {f"{name}@{experiment}" for name in names for experiment in experiments}


def recorded(folder: Path, stage: str, path: str) -> str:
    """The hash that dvc.lock has of a stage's output."""
    lock = yaml.safe_load((folder / "dvc.lock").read_text(encoding="utf-8"))
    (found,) = [out["md5"] for out in lock["stages"][stage]["outs"] if out["path"] == path]
    return str(found)
