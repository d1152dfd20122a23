"""Each hook of `make hygiene` is red on a file that was planted for it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.project import ROOT, environment_of

pytestmark = pytest.mark.slow
KEY = "-----BEGIN RSA PRIVATE " + "KEY-----\n"
TOKEN = "gh" + "p_" + 36 * "a"
NOTEBOOK = {
    "cells": [
        {
            "cell_type": "code", "id": "a", "metadata": {}, "source": "1 + 1", "execution_count": 1,
            "outputs": [{"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": {"text/plain": "2"}}],
        }
    ],
    "metadata": {}, "nbformat": 4, "nbformat_minor": 5,
}  # fmt: skip
PLANTED = {
    "tracked": ("docs/houses.csv", "a,b\n1,2\n", "docs/houses.csv: data in git: run git rm --cached docs/houses.csv"),
    "large-files": ("docs/large.txt", "x" * 501 * 1024, "docs/large.txt (501 KB) exceeds 500 KB"),
    "secrets": ("deploy.py", f'token = "{TOKEN}"\n', "Location:    deploy.py:1"),
    "private-keys": ("key.txt", KEY, "Private key found: key.txt"),
    "notebooks": ("notebooks/run.ipynb", json.dumps(NOTEBOOK), "would have stripped notebooks/run.ipynb"),
    "merge-conflicts": ("docs/both.md", "<<<<<<< HEAD\nmine\n", "docs/both.md:1: Merge conflict string '<<<<<<<' found"),
    "case-conflicts": ("Key.txt", "a key\n", "Case-insensitivity conflict found: Key.txt"),
    "yaml": ("config/own.yaml", "a: [1\n", 'in "config/own.yaml", line 2, column 1'),
    "toml": ("own.toml", "a = \n", "own.toml: "),
    "json": ("own.json", "{'a': 1}\n", "own.json: Failed to json decode"),
    "woodpecker": (".woodpecker/own.yaml", "step:\n  - name: a\n", ".woodpecker/own.yaml::$: "),
    "pipelines": (".woodpecker/any.yaml", "steps:\n  - {name: a, image: a:1.0}\n", ".woodpecker/any.yaml: the workflow's when does not name an event"),
    "github-workflows": (".github/workflows/own.yaml", "name: own\non: [push]\n", ".github/workflows/own.yaml::$: "),
    "github-issue-forms": (".github/ISSUE_TEMPLATE/own.yml", "name: own\n", ".github/ISSUE_TEMPLATE/own.yml::$: "),
    "github-issue-config": (".github/ISSUE_TEMPLATE/config.yml", "blank: 1\n", ".github/ISSUE_TEMPLATE/config.yml::$: "),
    "experiments": ("config/experiment/own.yaml", "# @package _global_\nsed: 1\n", "config/experiment/own.yaml: it does not compose: "),
    "lock": ("pyproject.toml", "", "uv.lock: there is none: run make setup and commit it"),
}  # fmt: skip
"""Per hook a file and what the hook says of it; nothing in place of a text: the project's own file."""


def make_hygiene(folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """The target, with pre-commit's own files below the test's folder."""
    own = {"VENV": sys.prefix, "PRE_COMMIT_HOME": str(folder.parent / "pre-commit"), "PRE_COMMIT_COLOR": "never"}
    given = environment_of(**own, **more)
    environment = {name: value for name, value in given.items() if not name.startswith(("GIT_", "MAKE", "MFLAGS"))}
    return subprocess.run(["make", "hygiene"], cwd=folder, env=environment, capture_output=True, text=True)


def in_git(folder: Path) -> Path:
    """All files of the folder in a repository of its own, as for a commit."""
    for arguments in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    return folder


def hooks() -> list[str]:
    """Those that `make hygiene` runs."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (repository,) = config["repos"]
    return [hook["id"] for hook in repository["hooks"] if "manual" in hook.get("stages", config["default_stages"])]


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What each hook says of a repository that holds all planted files, and its exit code."""
    folder = tmp_path_factory.mktemp("planted") / "project"
    for name in ("config", "tools"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "src").symlink_to(ROOT / "src")
    for name in ("Makefile", "pyproject.toml", ".gitignore", ".pre-commit-config.yaml"):
        shutil.copy(ROOT / name, folder)
    for name, text, _ in PLANTED.values():
        if text:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
    done = make_hygiene(in_git(folder))
    assert done.returncode != 0
    parts = re.split(r"^.*?\.{3,}(?:\(.*\))?(?:Passed|Failed|Skipped)\n", done.stdout, flags=re.MULTILINE)
    return {found[1]: part for part in parts if (found := re.match(r"- hook id: (\S+)\n", part))}


def test_a_file_is_planted_for_every_hook():
    assert sorted(PLANTED) == sorted(hooks())


@pytest.mark.parametrize("hook", PLANTED)
def test_a_planted_file_turns_its_hook_red(said, hook):
    assert "- exit code: " in said[hook]
    assert PLANTED[hook][2] in said[hook]


def test_outside_a_repository_it_is_one_line(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    lines = make_hygiene(folder).stderr.splitlines()
    what = "is no git repository with the project in it: run git init and git add --all first"
    assert lines[0] == f"error: {folder} {what}"
    assert all(line.startswith("make: ") for line in lines[1:])
