"""A raw table that DVC knows is found again: in the cache, in the remote, or not at all."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from loguru import logger

from {{ cookiecutter.project_slug }}.integrations.dvc import DvcStore
from {{ cookiecutter.project_slug }}.ports import RawTable
from {{ cookiecutter.project_slug }}.reproduction.checkout import checked_out
from {{ cookiecutter.project_slug }}.utils.files import sha256

from tests.project import environment_of

pytestmark = pytest.mark.slow
IDENTITY = {f"GIT_{role}_{key}": "test@example.com" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}


def call(*command: str) -> str:
    environment = environment_of(**IDENTITY)
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def dvc(*arguments: str) -> None:
    call(sys.executable, "-m", "dvc", *arguments)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A commit in which a folder, as `fetch` makes it, and a table of one's own are DVC's; neither lies there any more."""
    folder = tmp_path / "project"
    Path(folder / "data/raw/wine").mkdir(parents=True)
    monkeypatch.chdir(folder)
    Path("data/raw/wine/wine-0123456789abcdef.csv").write_text("a,b\n1,2\n")
    Path("data/own.csv").write_text("a,b\n3,4\n")
    call("git", "init", "--quiet")
    dvc("init", "--quiet")
    dvc("remote", "add", "--local", "--default", "near", str(tmp_path / "remote"))
    dvc("add", "--quiet", "data/raw/wine", "data/own.csv")
    dvc("push", "--quiet")
    call("git", "add", "--all")
    call("git", "commit", "--quiet", "--message", "first")
    return folder


@pytest.fixture
def said():
    """What is logged, line by line."""
    lines: list[str] = []
    handler = logger.add(lines.append, format="{message}")
    yield lines
    logger.remove(handler)


def table(path: str, *places: str) -> RawTable:
    return RawTable("wine", sha256(Path(path)), places)


def test_from_the_cache_from_the_remote_or_not_at_all(project, tmp_path, said):
    fetched = table("data/raw/wine/wine-0123456789abcdef.csv", "data/raw/wine")
    own = table("data/own.csv", "data/raw/none", "data/own.csv")
    shutil.rmtree("data/raw/wine")
    Path("data/own.csv").unlink()
    commit = call("git", "rev-parse", "HEAD")
    with checked_out(commit, tmp_path / "checkout"):
        found = DvcStore().find(fetched, tmp_path / "checkout")
        assert found is not None
        assert sha256(found) == fetched.fingerprint
        assert not Path("data/raw/wine").exists()  # it is put into the checkout alone
    shutil.rmtree(".dvc/cache")
    with checked_out(commit, tmp_path / "checkout"):
        found = DvcStore().find(own, tmp_path / "checkout")
        assert found is not None
        assert sha256(found) == own.fingerprint
        assert any("DVC does not give data/raw/none: " in line and "does not exist as" in line for line in said)
        other = RawTable("wine", "0" * 64, ("data/own.csv", "/elsewhere"))
        assert DvcStore().find(other, tmp_path / "checkout") is None
    shutil.rmtree(".dvc/cache")
    shutil.rmtree(tmp_path / "remote")
    with checked_out(commit, tmp_path / "checkout"):
        assert DvcStore().find(own, tmp_path / "checkout") is None


def test_a_commit_without_dvc_has_nothing(tmp_path):
    assert DvcStore().find(RawTable("wine", "0" * 64, ("data/raw",)), tmp_path) is None
