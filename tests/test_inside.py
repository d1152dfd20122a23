"""A bake passes its own checks and tests."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from baking import Bake, check_nothing_left_out, commit
from options import EVERYTHING, SUPPORTED, Answers
from uv import find_uv_bin

MakeBake = Callable[..., Bake]
Stream = Callable[..., str]


@pytest.mark.slow
def test_make_test(bake: MakeBake, stream: Stream) -> None:
    """Style, types and all tests, in its own environment, as a user runs them; where nothing may skip, nothing may."""
    project = bake()
    stream(project, "make", "setup")
    commit(project.path, "first")
    check_nothing_left_out(stream(project, "make", "test"))


def lock(project: Bake) -> None:
    """Put uv.lock into git, as the README's quick start does; from a folder of wheels where torch is in one."""
    wheels = os.environ.get("PIP_FIND_LINKS")
    project.run(find_uv_bin(), "lock", "--quiet", **({"UV_FIND_LINKS": wheels, "UV_NO_SOURCES": "1"} if wheels else {}))
    project.run("git", "add", "uv.lock")


@pytest.mark.slow
def test_hooks_pass_before_a_commit(bake: MakeBake, bake_environment: Path, stream: Stream) -> None:
    """All of them, those of `make hygiene` too; they look for their tools in .venv."""
    project = bake(project_slug="hooked")
    commit(project.path, "first")
    lock(project)
    project.run("git", "commit", "--quiet", "--message", "lock")
    (project.path / ".venv").symlink_to(bake_environment)
    printed = stream(project, str(bake_environment / "bin" / "pre-commit"), "run", "--all-files", PYTHONPATH="src")
    assert printed.count("Passed") == len(yaml.safe_load(project.text(".pre-commit-config.yaml"))["repos"][0]["hooks"])
    assert project.run("git", "status", "--porcelain") == ""


@pytest.mark.slow
@pytest.mark.parametrize("answers", [*EVERYTHING, SUPPORTED["awkward-text"]], ids=["streamlit", "nicegui", "awkward"])
def test_hygiene_of(bake: MakeBake, bake_environment: Path, stream: Stream, answers: Answers) -> None:
    """No check is wrong about what a bake holds; the lock's is another test's."""
    project = bake(**answers)
    commit(project.path, "first")
    stream(project, "make", "hygiene", f"VENV={bake_environment}", SKIP="lock")


@pytest.mark.slow
def test_types_of_the_other_pythons(bake: MakeBake, bake_environment: Path) -> None:
    projects = [bake(python_version=python, **EVERYTHING[0]) for python in ("3.12", "3.13")]
    with ThreadPoolExecutor(2) as pool:
        for printed in pool.map(lambda project: project.run("make", "types", f"VENV={bake_environment}"), projects):
            assert "Success: no issues found" in printed


@pytest.mark.slow
@pytest.mark.parametrize("slug", ["a", "zz_a_rather_long_name_for_a_package_of_predictions"])
@pytest.mark.parametrize("answers", EVERYTHING, ids=["streamlit", "nicegui"])
def test_style_of_awkward_answers(
    bake: MakeBake, bake_environment: Path, stream: Stream, slug: str, answers: Answers
) -> None:
    """A short and a long slug sort imports and break lines in their own way."""
    stream(bake(project_slug=slug, **answers), "make", "style", f"VENV={bake_environment}")
