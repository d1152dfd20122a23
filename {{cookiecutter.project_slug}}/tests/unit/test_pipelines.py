"""The pipelines are what Woodpecker takes, and each own check finds what it is there for."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.project import ROOT
from tools.check_pipelines import problems

FILES = sorted((ROOT / ".woodpecker").iterdir())
NAMES = [path.stem for path in FILES]


def tree(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / f".woodpecker/{name}.yaml").read_text(encoding="utf-8")))


def commands(name: str) -> list[str]:
    return [command for step in tree(name)["steps"] for command in step["commands"]]


def secrets(name: str) -> dict[str, str]:
    """Where a pipeline's steps get secrets from, by their variables."""
    found = [item for step in tree(name)["steps"] for item in step.get("environment", {}).items()]
    return {variable: value["from_secret"] for variable, value in found if isinstance(value, dict)}


def test_schemas_of_woodpecker_and_github():
    program = str(Path(sys.executable).with_name("check-jsonschema"))
    for schema, files in {
        "vendor.woodpecker-ci": FILES,
        "vendor.github-workflows": [*(ROOT / ".github/workflows").iterdir()],
    }.items():
        command = [program, "--builtin-schema", schema, *map(str, files)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_own_checks_find_nothing():
    assert NAMES == ["check", "deploy", "manual", "promote", "retrain"]
    assert problems(ROOT) == []


MISTAKES = {
    "a variable that is substituted": (
        "promote", "tag=$CI_COMMIT_TAG", "tag=${CI_COMMIT_TAG}",
        "line LINE: Woodpecker substitutes ${CI_COMMIT_TAG} before the shell sees it: write $NAME instead",
    ),
    "a deprecated key of the workflow": (
        "deploy", "depends_on:\n", "runs_on: [success]\ndepends_on:\n",
        "the workflow has runs_on, which Woodpecker 3 does not know: put it into when, as status",
    ),
    "a deprecated key of a step": (
        "check", "      - make style\n", "      - make style\n    secrets: [mlflow_tracking_password]\n",
        "step style has secrets, which Woodpecker 3 does not know: name each under environment, with from_secret",
    ),
    "an environment that is a list": (
        "check", "    commands:\n      - make style", "    environment: [CI=true]\n    commands:\n      - make style",
        "step style has environment as a list: write NAME: value",
    ),
    "a step without a name": ("check", "- name: style\n    image:", "- image:", "one of steps has no name: give it one"),
    "two steps of one name": (
        "check", "name: style", "name: types", "two of steps are named types: name each for what it does",
    ),
    "a service without a name": (
        "check", "steps:\n", "services:\n  - image: postgres:17.6\nsteps:\n", "one of services has no name: give it one",
    ),
    "a workflow without an event": (
        "promote", "  - event: tag\n    ref: refs/tags/v*\n\nvariables", "  - ref: refs/tags/v*\n\nvariables",
        "the workflow's when does not name an event in each of its items: it would run at any, pull requests too",
    ),
    "a step's condition without an event": (
        "deploy", "      - event: manual\n        evaluate: 'OVERLAY == \"staging\"'", "      - evaluate: 'OVERLAY == \"staging\"'",
        "step staging: its when does not name an event in each of its items",
    ),
    "an image without a tag": (
        "deploy", "image: docker:28.5.2-cli", "image: docker",
        "steps: images: image docker has no tag of a version: it would change by itself",
    ),
    "the newest image": (
        "check", "plugin-git:2.10.1", "plugin-git:latest",
        "clone: git: image docker.io/woodpeckerci/plugin-git:latest has no tag of a version: it would change by itself",
    ),
    "a secret where pull requests lead": (
        "retrain", "  - event: cron\n    cron: retrain\n", "  - event: [cron, pull_request]\n", None,
    ),
    "a secret of a check": (
        "check", "    commands:\n      - make smoke",
        "    environment:\n      KEY:\n        from_secret: image_registry_password\n    commands:\n      - make smoke",
        "smoke: secret image_registry_password where pull_request leads: whoever opens one could read it",
    ),
    "a password in the file": (
        "retrain", "MLFLOW_TRACKING_PASSWORD:\n        from_secret: mlflow_tracking_password", "MLFLOW_TRACKING_PASSWORD: x",
        "train: MLFLOW_TRACKING_PASSWORD stands in the file: make it a secret, and name it with from_secret",
    ),
    "a failure that is ignored": (
        "check", "name: unit\n", "name: unit\n    failure: ignore\n",
        "step unit: failure: ignore lets a failure pass: remove it",
    ),
    "an exit code that is thrown away": (
        "check", "make types", "make types || true", "step types: `||` hides a failure: let the command fail",
    ),
    "a pipe": (
        "check", "make types", "make types | cat",
        "step types: a pipe has the exit code of its last command alone: use a file, or a tool of its own",
    ),
    "failures that are switched off": (
        "check", "make types", "set +e", "step types: `set +e` lets failures pass: remove it",
    ),
    "a command in the background": (
        "check", "make types", "make types &", "step types: `&` does not wait for the command: use detach or a service",
    ),
    "a failure that is turned round": (
        "check", "make types", '"! make types"', "step types: `!` turns a failure into success: test what you mean in a tool",
    ),
    "a substitution within a command": (
        "check", "make types", 'make types ARGS="$(false)"',
        "step types: the exit code of $(…) is lost within a command: assign it to a variable first",
    ),
    "a workflow that is not there": (
        "deploy", "- name: promote\n    optional", "- name: release\n    optional",
        "depends_on names release, and there is no .woodpecker/release.yaml: the workflow would never run",
    ),
    "a dependency that would drop it": (
        "deploy", "optional: true", "optional: false",
        "it depends on promote, which does not run on manual: set optional: true",
    ),
    "a step that is not there": (
        "check", "name: unit\n", "name: unit\n    depends_on: [build]\n", "step unit depends on build, which is no step of it",
    ),
}  # fmt: skip
"""A file, what is replaced in it, by what, and what is then said; None where that is several lines."""


@pytest.fixture
def copied(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / ".woodpecker").mkdir()
    for path in FILES:
        (tmp_path / ".woodpecker" / path.name).write_bytes(path.read_bytes())
    assert problems(tmp_path) == []
    return tmp_path


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_one_line(copied: Path, mistake: str):
    name, old, new, said = MISTAKES[mistake]
    path = copied / f".woodpecker/{name}.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    found = problems(copied)
    if said is None:
        assert found
        assert all("where pull_request leads" in line for line in found)
    else:
        line = text[: text.index(old)].count("\n") + 1
        assert found == [f".woodpecker/{name}.yaml: {said.replace('LINE', str(line))}"]


def test_what_woodpecker_does_not_read(copied: Path):
    (copied / ".woodpecker/later").mkdir()
    (copied / ".woodpecker/later/more.yaml").write_text("steps: []\n")
    (copied / ".woodpecker/notes.md").write_text("notes\n")
    (copied / ".woodpecker/broken.yaml").write_text("steps: [\n")
    broken, later, notes = problems(copied)
    assert broken.startswith(".woodpecker/broken.yaml: it is no YAML: while parsing")
    assert later == ".woodpecker/later/more.yaml: Woodpecker does not read it: move it to .woodpecker/<name>.yaml"
    assert notes == ".woodpecker/notes.md: Woodpecker does not read it: move it to .woodpecker/<name>.yaml"


def test_the_program_ends_with_its_lines(copied: Path):
    (copied / ".woodpecker/notes.md").write_text("notes\n")
    program = [sys.executable, str(ROOT / "tools/check_pipelines.py")]
    done = subprocess.run(program, cwd=copied, capture_output=True, text=True)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert subprocess.run(program, cwd=ROOT, capture_output=True).returncode == 0


def test_what_moves_the_registry_takes_turns():
    writers = [name for name in NAMES if "MLFLOW_TRACKING_PASSWORD" in secrets(name)]
    assert writers == ["manual", "promote", "retrain"]
    for name in writers:
        assert tree(name)["concurrency"] == {"limit": 1, "group": "registry"}
        assert tree(name)["clone"]["git"]["settings"] == {"partial": False, "depth": 0, "tags": True}
    assert tree("deploy")["concurrency"]["limit"] == 1


def test_each_stage_has_credentials_of_its_own():
    for name in ("manual", "promote", "deploy"):
        for step in tree(name)["steps"]:
            for stage, other in (("staging", "prod"), ("prod", "staging")):
                if step["name"].endswith(stage):
                    used = [value["from_secret"] for value in step["environment"].values()]
                    assert not [secret for secret in used if secret.endswith(other)], step["name"]


def test_a_check_that_anybody_starts_fills_the_cache_alone():
    """A pull request could put another package into a cache that a pipeline with secrets then installs from."""
    cached = {name for name in NAMES for step in tree(name)["steps"] if "UV_CACHE_DIR" in step.get("environment", {})}
    assert cached == {"check"}


def test_github_runs_the_same_check():
    workflow = yaml.safe_load((ROOT / ".github/workflows/check.yaml").read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    assert [step["run"] for step in workflow["jobs"]["check"]["steps"] if "run" in step] == commands("check")


def test_every_secret_is_described():
    page = (ROOT / "docs/ci.md").read_text(encoding="utf-8")
    for name in NAMES:
        for secret in secrets(name).values():
            assert f"`{secret}`" in page, f"docs/ci.md does not say what the secret {secret} is"
