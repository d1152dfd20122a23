"""What the Makefile refuses in one line, before anything runs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.project import ROOT


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make in a folder that holds the Makefile alone."""
    shutil.copy(ROOT / "Makefile", folder)
    given = {"MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "VENV", "ARGS", "TORCH", "UI_PORT"}
    environment = {name: value for name, value in os.environ.items() if name not in given}
    return subprocess.run(["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "model=linear"], 'model= is no variable of this Makefile: make train ARGS="model=linear"'),
        (["cv", "model=linear", "ARGS=seed=1"], 'model= is no variable of this Makefile: make cv ARGS="model=linear"'),
        (["predict", "input=a b.csv"], 'input= is no variable of this Makefile: make predict ARGS="input=a b.csv"'),
    ],
)
def test_overrides_outside_args_are_refused(tmp_path, arguments, said):
    done = make(tmp_path, *arguments)
    (line,) = done.stderr.splitlines()
    assert said in line
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize(
    "verb",
    ["schema", "fetch", "prepare", "train", "cv", "evaluate", "release", "reproduce", "predict", "serve", "style"],
)
def test_without_an_environment_a_verb_says_what_to_do(tmp_path, verb):
    done = make(tmp_path, verb, "ARGS=seed=1")
    (line,) = done.stderr.splitlines()
    assert "there is no .venv/bin/python: run make setup first" in line
    assert (done.returncode, done.stdout) == (2, "")


def test_with_an_environment_the_verb_gets_its_arguments(tmp_path):
    (tmp_path / "env/bin").mkdir(parents=True)
    python = tmp_path / "env/bin/python"
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    done = make(tmp_path, "--silent", "train", "VENV=env", "ARGS=model=linear seed=1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(".cli.train model=linear seed=1\n")
