"""The template's own pipelines: valid for Woodpecker and GitHub, and nothing but calls of what can be run by hand."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from baking import ROOT, output

PIPELINES = sorted((ROOT / ".woodpecker").glob("*"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*"))
MAKE = re.compile(r"make (?P<target>[a-z]+)(?: [A-Z]+=\S.*)?")
VERSION = re.compile(r"[^:]+:\d[\w.-]*")
"""An image by its version; `latest` and a bare name move."""


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
    assert [path.name for path in PIPELINES] == ["check.yaml", "release.yaml", "weekly.yaml"]


def test_every_condition_names_its_events(pipeline: Path) -> None:
    """Without an event a workflow runs for all of them, tags and cron jobs included."""
    conditions = read(pipeline)["when"]
    assert isinstance(conditions, list)
    assert [condition for condition in conditions if "event" not in condition] == []


def test_no_secret(pipeline: Path) -> None:
    assert "from_secret" not in pipeline.read_text(encoding="utf-8")


def test_every_image_has_a_version(pipeline: Path) -> None:
    document = read(pipeline)
    images = {step["image"] for step in document["steps"]} | {document["clone"]["git"]["image"]}
    assert [image for image in images if not VERSION.fullmatch(image)] == []


def test_woodpecker_substitutes_nothing(pipeline: Path) -> None:
    """It replaces ${X} before it parses the file, whatever the shell would have made of it."""
    assert "${" not in pipeline.read_text(encoding="utf-8")


def test_both_services_check_the_same() -> None:
    (workflow,) = WORKFLOWS
    jobs = read(workflow)["jobs"]
    (job,) = jobs.values()
    pipeline = read(ROOT / ".woodpecker" / "check.yaml")
    assert [step["run"] for step in job["steps"] if "uses" not in step and "name" not in step] == commands(PIPELINES[0])
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


def test_weekly_bakes_every_option() -> None:
    """Its answers are taken, for each of its dashboards; the arguments are those that the tool knows."""
    pipeline = read(ROOT / ".woodpecker" / "weekly.yaml")
    assert pipeline["matrix"] == {"DASHBOARD": ["streamlit", "nicegui"]}
    offered = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "check_bake.py"), "--help"], capture_output=True, text=True, check=True
    ).stdout  # fmt: skip
    for step in pipeline["steps"]:
        (given,) = re.findall(r'ARGS="(.*)"', "\n".join(step["commands"]))
        words = given.split()
        assert {"dashboard=$DASHBOARD", "use_dvc=true", "use_triton=true"} <= set(words)
        assert [word for word in words if word.startswith("--") and word not in offered] == []
    assert [step.get("failure") for step in pipeline["steps"]] == [None, "ignore"]
