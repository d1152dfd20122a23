"""The template's own pipelines: valid for Woodpecker and GitHub, and nothing but calls of what can be run by hand."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from baking import ROOT, Bake, output

PIPELINES = sorted((ROOT / ".woodpecker").glob("*"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*"))
MAKE = re.compile(r"make (?P<target>[a-z]+)(?: [A-Z]+=\S.*)?")


def read(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def commands(path: Path) -> list[str]:
    return [command for step in read(path)["steps"] for command in step["commands"]]


@pytest.fixture(params=PIPELINES, ids=lambda path: path.stem)
def pipeline(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.mark.parametrize(
    ("schema", "files"),
    [("vendor.woodpecker-ci", PIPELINES), ("vendor.github-workflows", WORKFLOWS)],
    ids=["woodpecker", "github"],
)
def test_schema(schema: str, files: list[Path]) -> None:
    assert files
    output(
        sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, "--no-cache", *map(str, files), cwd=ROOT
    )  # fmt: skip


def test_names() -> None:
    """Woodpecker reads .yaml and .yml of this folder alone."""
    assert [path.name for path in PIPELINES] == ["beyond.yaml", "check.yaml", "release.yaml", "weekly.yaml"]


def test_what_the_schema_does_not_see(bake: Callable[..., Bake]) -> None:
    """The check that every project has for its own: events, secrets, versions of images, swallowed failures."""
    output(sys.executable, str(bake().path / "tools" / "check_pipelines.py"), cwd=ROOT)


def test_no_secret(pipeline: Path) -> None:
    assert "from_secret" not in pipeline.read_text(encoding="utf-8")


def test_both_services_check_the_same() -> None:
    (workflow,) = WORKFLOWS
    jobs = read(workflow)["jobs"]
    (job,) = jobs.values()
    pipeline = read(ROOT / ".woodpecker" / "check.yaml")
    assert [step["run"] for step in job["steps"] if "uses" not in step and "name" not in step] == commands(
        ROOT / ".woodpecker" / "check.yaml"
    )
    assert {step["image"] for step in pipeline["steps"]} == {job["container"]}
    assert job["steps"][-1]["env"] == pipeline["steps"][-1]["environment"]


def test_every_command_is_there(pipeline: Path) -> None:
    """A target that make knows, or a program of this repository: there is no logic in the files."""
    for command in commands(pipeline):
        if make := MAKE.fullmatch(command):
            output("make", "--dry-run", make["target"], cwd=ROOT)
        else:
            words = command.removeprefix("python ").split()
            assert (ROOT / words[0]).is_file(), command
            assert command.startswith("python ") or (ROOT / words[0]).stat().st_mode & 0o111, command
    with pytest.raises(AssertionError, match="No rule to make target"):
        output("make", "--dry-run", "nonsense", cwd=ROOT)


def test_release_passes_the_tag_on() -> None:
    checked, baked = commands(ROOT / ".woodpecker" / "release.yaml")
    assert checked == 'python tools/check_release.py "$CI_COMMIT_TAG"'
    assert baked == 'make verify TAG="$CI_COMMIT_TAG"'
    planned = output("make", "--dry-run", "verify", "TAG=v1.2.3", cwd=ROOT)
    for step in ('tools/check_release.py "v1.2.3"', 'tools/check_bake.py --checkout "v1.2.3" --targets'):
        assert step in planned


def test_release_wants_the_whole_history() -> None:
    """The clone is shallow and without annotations unless it is told otherwise."""
    settings = read(ROOT / ".woodpecker" / "release.yaml")["clone"]["git"]["settings"]
    assert settings == {"partial": False, "depth": 0, "tags": True}


@pytest.mark.parametrize("name", ["weekly", "beyond"])
def test_newest_bakes_every_option(name: str) -> None:
    """Its answers are taken, for each of its dashboards; what else it says are options that the tool knows."""
    pipeline = read(ROOT / ".woodpecker" / f"{name}.yaml")
    assert pipeline["matrix"] == {"DASHBOARD": ["streamlit", "nicegui"]}
    browser, command = commands(ROOT / ".woodpecker" / f"{name}.yaml")
    assert browser == ".ci/browser"
    (given,) = re.findall(r'^make newest ARGS="(.*)"$', command)
    words = given.split()
    assert words[:3] == ["dashboard=$DASHBOARD", "use_dvc=true", "use_triton=true"]
    assert words[3:] == (["--beyond"] if name == "beyond" else [])
    assert f"tools/check_bake.py {given.replace('$', '')}" in output(
        "make", "--dry-run", "newest", f"ARGS={given.replace('$', '')}", cwd=ROOT
    )
