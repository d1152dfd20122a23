"""A tag is a release when it is annotated and the version that its own files say; every mistake is one line."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import check_bake
import pytest
from baking import ROOT, Bake, clean_env, output
from check_release import problems
from options import EVERYTHING, Answers

TAG = "v3.2.1"
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [3.2.1] - 2026-12-01\n\n## [3.2.0] - 2026-11-01\n"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The template's own files as a release commit leaves them, in the working directory; there is no tag yet."""
    copy = tmp_path / "ml-template"
    copy.mkdir()
    for name in ("cookiecutter.json", "pyproject.toml"):
        (copy / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    today = json.loads((copy / "cookiecutter.json").read_text(encoding="utf-8"))["_template_version"]
    edit(copy, "cookiecutter.json", f'"_template_version": "{today}"', '"_template_version": "3.2.1"')
    edit(copy, "pyproject.toml", f'\nversion = "{today}"', '\nversion = "3.2.1"')
    (copy / "CHANGELOG.md").write_text(CHANGELOG, encoding="utf-8")
    output("git", "init", "--quiet", cwd=copy)
    commit(copy)
    monkeypatch.chdir(copy)
    return copy


def edit(folder: Path, name: str, before: str, after: str) -> None:
    text = (folder / name).read_text(encoding="utf-8")
    assert text.count(before) == 1
    (folder / name).write_text(text.replace(before, after), encoding="utf-8")


def commit(folder: Path) -> None:
    output("git", "add", "--all", cwd=folder)
    output("git", "commit", "--quiet", "--message", "Release", cwd=folder)


def tag(folder: Path, name: str = TAG, *, annotated: bool = True) -> None:
    options = ["--annotate", "--message", "Release"] if annotated else []
    output("git", "-c", "tag.gpgsign=false", "tag", *options, name, cwd=folder)


def test_a_release(repository: Path) -> None:
    tag(repository)
    assert problems(TAG) == []


def test_a_file_that_is_not_there(repository: Path) -> None:
    for name in ("cookiecutter.json", "pyproject.toml"):
        (repository / name).unlink()
    commit(repository)
    tag(repository)
    assert problems(TAG) == [
        "_template_version in cookiecutter.json is absent, not 3.2.1: set it, commit, and tag that commit",
        "version in pyproject.toml is absent, not 3.2.1: set it, commit, and tag that commit",
    ]


def test_the_files_of_the_tag_count(repository: Path) -> None:
    """Whatever is checked out meanwhile."""
    tag(repository)
    edit(repository, "cookiecutter.json", "3.2.1", "9.9.9")
    commit(repository)
    assert problems(TAG) == []
    tag(repository, "v3.2.2")
    assert len(problems("v3.2.2")) == 3


@pytest.mark.parametrize("name", ["3.2.1", "v3.2", "v3.2.1-rc.1", "v03.2.1", "v3.2.1\n", "v$(id)", ""])
@pytest.mark.usefixtures("repository")
def test_a_tag_of_another_shape(name: str) -> None:
    assert problems(name) == [f"{name!r} is no release: a tag is vX.Y.Z, such as v1.2.3"]


@pytest.mark.usefixtures("repository")
def test_a_tag_that_is_not_there() -> None:
    assert problems(TAG) == [f"there is no tag {TAG} in this clone: run `git fetch --tags`, or name another"]


def test_a_tag_without_annotation(repository: Path) -> None:
    tag(repository, annotated=False)
    assert problems(TAG) == [f"{TAG} has no annotation: delete it, and make it by `git tag --annotate {TAG}`"]


@pytest.mark.parametrize(
    ("name", "before", "after", "line"),
    [
        ("cookiecutter.json", "3.2.1", "3.2.0",
         "_template_version in cookiecutter.json is 3.2.0, not 3.2.1: set it, commit, and tag that commit"),
        ("pyproject.toml", 'version = "3.2.1"', 'version = "3.3.0"',
         "version in pyproject.toml is 3.3.0, not 3.2.1: set it, commit, and tag that commit"),
        ("CHANGELOG.md", "## [3.2.1] - 2026-12-01\n\n", "",
         "the newest version in CHANGELOG.md is 3.2.0, not 3.2.1: write its section"),
    ],
)  # fmt: skip
def test_a_file_that_says_otherwise(repository: Path, name: str, before: str, after: str, line: str) -> None:
    edit(repository, name, before, after)
    commit(repository)
    tag(repository)
    assert problems(TAG) == [line]


@pytest.mark.parametrize("date", [" - Unreleased", " - 2026-02-30", " - 20261201", ""])
def test_a_changelog_without_a_date(repository: Path, date: str) -> None:
    edit(repository, "CHANGELOG.md", " - 2026-12-01", date)
    commit(repository)
    tag(repository)
    assert problems(TAG) == ["CHANGELOG.md does not date 3.2.1: write `## [3.2.1] - YYYY-MM-DD`"]


def test_the_command_fails_with_every_line(repository: Path) -> None:
    edit(repository, "pyproject.toml", 'version = "3.2.1"', 'version = "1.0.0"')
    commit(repository)
    tag(repository, annotated=False)
    command = [sys.executable, str(ROOT / "tools" / "check_release.py"), TAG]
    done = subprocess.run(command, cwd=repository, env=clean_env(), text=True, capture_output=True)
    assert done.returncode == 1
    assert [line.split(" ")[1] for line in done.stderr.splitlines()] == [TAG, "version"]
    output("git", "tag", "--delete", TAG, cwd=repository)
    edit(repository, "pyproject.toml", 'version = "1.0.0"', 'version = "3.2.1"')
    commit(repository)
    tag(repository)
    assert output(*command, cwd=repository) == f"{TAG} is a release of the version that its files name\n"


def test_upper_bounds_are_lifted() -> None:
    bound = (
        'requires-python = ">=3.11,<3.12"\n    "torch>=2.13,<2.14", "lightning>=2.6,!=2.6.2", "uvloop>=0.22; x < 3",\n'
    )
    assert check_bake.without_upper_bounds(bound) == bound.replace(",<2.14", "")


@pytest.mark.parametrize("answers", EVERYTHING, ids=["streamlit", "nicegui"])
def test_upper_bounds_of_a_project_are_lifted(bake: Callable[..., Bake], answers: Answers) -> None:
    """All of them, and those alone: names, lower bounds and markers stay."""
    text = bake(**answers).text("pyproject.toml")
    bound, free = requirements(text), requirements(check_bake.without_upper_bounds(text))
    assert [one for one in bound if "<" in one]
    assert [one for one in free if "<" in one] == []
    assert [re.sub(r"<[^;]*", "", one).rstrip(",") for one in bound] == free


def requirements(pyproject: str) -> list[str]:
    tables = tomllib.loads(pyproject)
    groups = [*tables["project"]["optional-dependencies"].values(), *tables["dependency-groups"].values()]
    return [*tables["project"]["dependencies"], *(one for group in groups for one in group)]


@pytest.mark.parametrize("by_tag", [False, True])
def test_what_is_baked_names_its_version(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_tag: bool
) -> None:
    """From the files as they lie there, or at a tag by a git address."""
    monkeypatch.setattr(check_bake, "ROOT", template)
    tag = output("git", "describe", "--tags", cwd=template).strip()
    project = check_bake.bake(tmp_path, tag if by_tag else None, ["project_slug=checked", "use_triton=true"])
    assert project.name == "checked"
    assert (project / "deployment" / "triton").is_dir()
    check_bake.check_version(project, tag)
    with pytest.raises(SystemExit, match=f"^check_bake: what v9.9.9 renders calls itself {tag[1:]}$"):
        check_bake.check_version(project, "v9.9.9")
