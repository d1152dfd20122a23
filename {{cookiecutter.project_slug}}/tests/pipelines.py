"""DVC as a user runs it, and what it says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests.project import environment_of

RUNNING = re.compile(r"^Running stage '(.+)'", re.MULTILINE)
IDENTITY = {"NAME": "Test", "EMAIL": "test@example.com"}


def as_made(folder: Path) -> Path:
    """Take out of a copy what this project's own pipeline has added, its tables and its store among it."""
    for path in [folder / "dvc.lock", *folder.glob("data/*.dvc"), *folder.glob("pipeline/*.yaml")]:
        path.unlink(missing_ok=True)
    for path in folder.glob("pipeline/*/"):
        shutil.rmtree(path)
    pipeline = folder / "dvc.yaml"
    pipeline.write_text(re.sub(r"^      (?!diabetes:)\S+: \{reads: .*\n", "", pipeline.read_text(), flags=re.MULTILINE))
    (folder / ".dvc/config").write_text("[core]\n    analytics = false\n    check_update = false\n")
    return folder


def activated(**more: str) -> dict[str, str]:
    """The environment after `source .venv/bin/activate`, of somebody whose name git knows."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    known = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in IDENTITY.items()}
    return environment_of(PATH=path, **known, **more)


def dvc(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run DVC, whether it succeeds or not."""
    return subprocess.run(["dvc", *arguments], cwd=folder, env=activated(**more), capture_output=True, text=True)


def said(folder: Path, *arguments: str, **more: str) -> str:
    """What DVC prints when it succeeds."""
    done = dvc(folder, *arguments, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def git(folder: Path, *arguments: str) -> str:
    """What git prints when it succeeds."""
    done = subprocess.run(["git", *arguments], cwd=folder, env=activated(), check=True, capture_output=True, text=True)
    return done.stdout


def ran(printed: str) -> list[str]:
    """The stages that were run, in order."""
    return RUNNING.findall(printed)


def recorded(folder: Path, experiment: str) -> str:
    """The hash that dvc.lock has of an experiment's raw table."""
    lock = yaml.safe_load((folder / "dvc.lock").read_text(encoding="utf-8"))
    (out,) = lock["stages"][f"fetch@{experiment}"]["outs"]
    assert out["path"] == f"data/raw/{experiment}"
    return str(out["md5"])
