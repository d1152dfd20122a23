"""The stack as a user has it: brought up, trained into, served, restarted, backed up, destroyed and restored.

The registry's server, the service and the verbs are real. The database and the object store are stand-ins where their images
cannot be pulled: tests/standins.py says which, and what that leaves unshown.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request

import numpy as np
import pytest

from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry

from deployment.docker.stack import environment
from deployment.docker.stack.accounts import Door
from tests.containers import OPENER, PATIENCE, Checkout, check_out, docker
from tests.pages import follow
from tests.ports import free_ports
from tests.project import PACKAGE
from tests.standins import pulled_or_made

pytestmark = [pytest.mark.slow, pytest.mark.containers]
ROWS = [
    {"age": 48, "sex": "1", "bmi": 26.4, "bp": 95, "s1": 189, "s2": 115, "s3": 50, "s4": 4, "s5": 4.6, "s6": 91},
    {"age": 71, "sex": "2", "bmi": 33.1, "bp": 83, "s1": 200, "s2": 99, "s3": 61, "s4": 3, "s5": 5.1, "s6": 101},
]


class Stack:
    """One of its own name, on ports of its own."""

    def __init__(self, project: Checkout) -> None:
        self.folder = project.folder
        outside = ("STACK_", "MLFLOW_", "SERVING_", "MAKE", "MFLAGS", "ARGS", "COMPOSE_")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(outside)}
        self.env["COMPOSE_PROJECT_NAME"] = f"test-{uuid.uuid4().hex[:12]}"

    def run(self, *command: str, code: int = 0, **variables: str) -> str:
        """What a command prints in the project's root."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.env | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == code, done.stdout[-10_000:]
        return done.stdout

    def make(self, target: str, arguments: str = "", code: int = 0, account: str = "") -> str:
        """A target, with what `make stack` says to export for an account."""
        given = {}
        if account:
            given = {
                "MLFLOW_TRACKING_URI": self.registry,
                "MLFLOW_TRACKING_USERNAME": account,
                "MLFLOW_TRACKING_PASSWORD": self.secret(account),
            }
        return self.run("make", "--silent", target, f"ARGS={arguments}", code=code, **given)

    def secret(self, account: str) -> str:
        return environment.read(self.folder / ".env")[f"STACK_{account.upper()}_PASSWORD"]

    @property
    def registry(self) -> str:
        return "http://127.0.0.1:" + environment.read(self.folder / ".env")["STACK_MLFLOW_PORT"]

    def door(self, account: str) -> Door:
        return Door(self.registry, account, self.secret(account))

    def containers(self) -> list[str]:
        return sorted(self.run("docker", "compose", "ps", "--all", "--quiet").split())

    def predictions(self) -> tuple[list[float], str]:
        """What the service answers to the rows, and which version that was."""
        values = environment.read(self.folder / ".env")
        request = Request(
            f"http://127.0.0.1:{values['STACK_API_PORT']}/predict",
            json.dumps({"records": ROWS}).encode(),
            {"X-API-Key": values["STACK_API_KEY"]},
        )
        with OPENER.open(request, timeout=30) as response:
            answer: dict[str, Any] = json.load(response)
        return [row["progression_prediction"] for row in answer["predictions"]], answer["model"]["version"]

    def history(self) -> Any:
        return json.loads(self.make("registry", "format=json", account="people"))

    def destroy(self) -> None:
        """As docs/stack.md says it, beyond recovery."""
        self.run("docker", "compose", "--profile", "*", "down", "--volumes", "--remove-orphans")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The project with its images, and no stack yet."""
    project = check_out(tmp_path_factory.mktemp("stack") / "project")
    (project.folder / ".venv").symlink_to(sys.prefix)
    project.build("api", "mlflow")
    for name in ("postgres", "seaweedfs", "prometheus"):
        pulled_or_made(name, tmp_path_factory.mktemp("standins") / name, "python:3.11-slim")
    names = ("STACK_MLFLOW_PORT", "STACK_API_PORT", "STACK_PROMETHEUS_PORT")
    lines = [f"{name}={port}\n" for name, port in zip(names, free_ports(3), strict=True)]
    (project.folder / ".env").write_text("".join(lines))
    made = Stack(project)
    try:
        yield made
    finally:
        if (project.folder / ".env").exists():
            made.destroy()
        project.remove_images()


def test_from_nothing_to_a_restored_backup(stack: Stack) -> None:
    """One story, since each step needs the one before."""
    said = stack.make("stack")
    assert f"made: registered model {PACKAGE}" in said
    assert "Nothing is under dev, so api" in said
    text, containers = (stack.folder / ".env").read_text(), stack.containers()
    assert len(containers) == 3
    assert (stack.folder / ".env").stat().st_mode & 0o777 == 0o600
    assert "made:" not in stack.make("stack")
    assert ((stack.folder / ".env").read_text(), stack.containers()) == (text, containers)
    assert subprocess.run(["git", "check-ignore", "-q", ".env"], cwd=stack.folder).returncode == 0

    options = "progress=false evaluation.importance_repeats=1"
    assert "not registered: this account may not" in stack.make("train", f"model=linear {options}", account="people")
    assert f"registered {PACKAGE} version 1 under dev" in stack.make("train", f"model=linear {options}", account="ci")
    assert f"registered {PACKAGE} version 2" in stack.make("train", f"model=lightgbm {options}", account="ci")

    alias = {"name": PACKAGE, "alias": "prod", "version": "1"}
    for account in ("people", "reader"):
        door = stack.door(account)
        assert door.ask("POST", "2.0/mlflow/registered-models/alias", **alias)["error_code"] == "403"
        fresh = {"name": PACKAGE, "source": "models:/m-1"}
        assert door.ask("POST", "2.0/mlflow/model-versions/create", **fresh)["error_code"] == "403"
        assert door.ask("DELETE", "2.0/mlflow/registered-models/delete", name=PACKAGE)["error_code"] == "403"
    assert not Door(stack.registry, "ci", "password1234").opens
    assert not Door(stack.registry, "admin", "password1234").opens
    assert "error_code" not in stack.door("ci").ask("POST", "2.0/mlflow/registered-models/alias", **alias)

    assert "api " in stack.make("stack")
    predicted, version = stack.predictions()
    assert version == "2"
    same_as_the_servable(stack, predicted)
    stack.run("docker", "compose", "--profile", "monitoring", "up", "--detach", "--wait", "prometheus")
    assert measured(stack, "serving_model_info") == {"version": "2", "alias": "dev", "name": PACKAGE, "job": "api"}

    stack.run("docker", "compose", "restart")
    stack.make("stack")
    assert stack.predictions() == (predicted, "2")

    history = stack.history()
    backup = stack.folder.parent / "backup"
    stack.make("stack-backup", str(backup))
    assert f"{backup} is there already: name a new folder" in stack.make("stack-backup", str(backup), code=2)
    assert "the stack holds something" in stack.make("stack-restore", str(backup), code=2)
    assert "kept: " in stack.make("stack-down")
    assert "the stack holds something" in stack.make("stack-restore", str(backup), code=2)
    stack.destroy()
    assert docker("volume", "ls", "--quiet", "--filter", f"name={stack.env['COMPOSE_PROJECT_NAME']}") == ""

    with_other_secrets(stack, backup)
    (stack.folder / ".env").unlink()
    shutil.rmtree(stack.folder / "mlruns", ignore_errors=True)
    stack.make("stack-restore", str(backup))
    assert (stack.folder / ".env").read_text() == text
    assert stack.history() == history
    assert stack.predictions() == (predicted, "2")
    assert stack.door("ci").opens
    assert f"registered {PACKAGE} version 3" in stack.make("train", f"model=linear {options}", account="ci")


def same_as_the_servable(stack: Stack, predicted: list[float]) -> None:
    """The service, and the bytes that come out of the registry to this machine: their golden samples, and these rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_USERNAME", "reader")
        patch.setenv("MLFLOW_TRACKING_PASSWORD", stack.secret("reader"))
        registry = MlflowRegistry(stack.registry, stack.folder / "outputs/looked-at")
        engine = Engine(registry.download(registry.find(f"models:/{PACKAGE}@dev")))
    assert engine.check_golden() >= 64
    columns = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    want = engine.flat(engine.run(columns))["progression_prediction"]
    target = engine.contract.target
    assert (np.abs(np.array(predicted) - want) <= target.tolerance * (target.deviation + np.abs(want))).all()


def measured(stack: Stack, query: str) -> dict[str, str]:
    """The labels of what Prometheus has under that name, as soon as it has asked the service once."""
    port = environment.read(stack.folder / ".env")["STACK_PROMETHEUS_PORT"]
    deadline = time.monotonic() + PATIENCE
    while True:
        with OPENER.open(f"http://127.0.0.1:{port}/api/v1/query?query={query}", timeout=30) as response:
            found = json.load(response)["data"]["result"]
        if found:
            (one,) = found
            return {name: value for name, value in one["metric"].items() if name not in ("__name__", "instance")}
        assert time.monotonic() < deadline, f"Prometheus has no {query}"
        time.sleep(0.5)


def with_other_secrets(stack: Stack, backup: Path) -> None:
    """A .env that was made anew does not open what the backup holds."""
    kept = (stack.folder / ".env").read_text()
    (stack.folder / ".env").unlink()
    environment.complete(stack.folder)
    assert "is not the backup's: move that file away" in stack.make("stack-restore", str(backup), code=2)
    (stack.folder / ".env").write_text(kept)


def test_without_images_it_says_what_to_do(stack: Stack, tmp_path: Path) -> None:
    version = (stack.folder / "VERSION").read_text()
    text = (stack.folder / ".env").read_text()
    try:
        (stack.folder / "VERSION").write_text("0.0.0.none\n")
        said = stack.make("stack", code=2)
    finally:
        (stack.folder / "VERSION").write_text(version)
        (stack.folder / ".env").write_text(text)
    assert said.splitlines()[0] == f"error: there is no image {PACKAGE}-api:0.0.0.none: run make images"


def test_the_page(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """From an empty stack; the ports are the page's."""
    stack.destroy()
    (stack.folder / ".env").unlink()
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", stack.env["COMPOSE_PROJECT_NAME"])
    printed = follow(stack.folder, "stack.md")
    assert "not registered: this account may not" in printed
    assert f"registered {PACKAGE} version 1 under dev" in printed
    assert '"predictions":[{"progression_prediction":' in printed
    assert printed.count("made: ") == 6  # once, and never again
    assert "backup: backups/before-the-upgrade" in printed
