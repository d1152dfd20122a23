"""The stack as a team has it: brought up, trained into, promoted, served, restarted, backed up, destroyed and restored.

The registry's server, the service, the trainer and the verbs are real. The database and the object store are stand-ins where
their images cannot be pulled: tests/standins.py says which, and what that leaves unshown.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request

import pytest

from deployment.docker.stack import environment
from deployment.docker.stack.accounts import Door
from tests.containers import OPENER, docker, finished
from tests.pages import follow
from tests.project import PACKAGE
from tests.stacks import Stack, prepared, until
from tests.standins import postgres, prometheus, seaweedfs

pytestmark = [pytest.mark.slow, pytest.mark.containers]
QUICK = "progress=false evaluation.importance_repeats=1"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The project with its images; the service follows `prod`."""
    with prepared(
        tmp_path_factory.mktemp("stack"),
        images=("api", "trainer", "mlflow"),
        others={"postgres": postgres, "seaweedfs": seaweedfs, "prometheus": prometheus},
    ) as made:
        with (made.folder / ".env").open("a") as file:
            file.write("STACK_ALIAS=prod\n")
        yield made


def test_from_nothing_to_a_restored_backup(stack: Stack, tmp_path: Path) -> None:
    """One story, since each step needs the one before."""
    check_first_up(stack)
    check_accounts(stack)
    check_promotion(stack)
    assert "api " in stack.make("stack")
    assert stack.asked("/model")["version"] == "1"
    stack.check_all_targets("prod", tmp_path / "first")
    check_metrics(stack)

    stack.run("docker", "compose", "restart")
    stack.make("stack")
    assert stack.asked("/model")["version"] == "2"
    digest = stack.check_all_targets("prod", tmp_path / "restarted")

    history, text, backup = stack.history(), (stack.folder / ".env").read_text(), tmp_path / "backup"
    stack.make("stack-backup", str(backup))
    assert f"{backup} is there already: name a new folder" in stack.make("stack-backup", str(backup), code=2)
    assert "the stack holds something" in stack.make("stack-restore", str(backup), code=2)
    assert "kept: " in stack.make("stack-down")
    assert "the stack holds something" in stack.make("stack-restore", str(backup), code=2)
    stack.make("stack")
    assert stack.history() == history
    assert stack.asked("/model")["version"] == "2"
    assert stack.engine("prod", tmp_path / "kept").digest == digest
    stack.destroy()
    assert docker("volume", "ls", "--quiet", "--filter", f"name={stack.own['COMPOSE_PROJECT_NAME']}") == ""

    check_other_secrets(stack, backup)
    (stack.folder / ".env").unlink()
    stack.make("stack-restore", str(backup))
    assert (stack.folder / ".env").read_text() == text
    assert stack.history() == history
    assert stack.aliases() == {"dev": "2", "staging": "2", "prod": "2", "archived": "1"}
    assert stack.asked("/model")["version"] == "2"
    assert stack.check_all_targets("prod", tmp_path / "restored") == digest
    assert f"registered {PACKAGE} version 3" in stack.make("train", f"model=linear {QUICK}", account="ci")


def check_first_up(stack: Stack) -> None:
    """There is nothing to serve, so the service waits; the second time nothing changes."""
    said = stack.make("stack")
    assert f"made: registered model {PACKAGE}" in said
    assert "Nothing is under prod, so api" in said
    text, containers = (stack.folder / ".env").read_text(), stack.containers()
    assert len(containers) == 3
    assert (stack.folder / ".env").stat().st_mode & 0o777 == 0o600
    assert "made:" not in stack.make("stack")
    assert ((stack.folder / ".env").read_text(), stack.containers()) == (text, containers)
    assert subprocess.run(["git", "check-ignore", "-q", ".env"], cwd=stack.folder).returncode == 0


def check_accounts(stack: Stack) -> None:
    """Everybody logs, CI alone registers: from its own machine, and from the trainer's image inside the stack."""
    assert "not registered: this account may not" in stack.make("train", f"model=linear {QUICK}", account="people")
    assert f"registered {PACKAGE} version 1 under dev" in stack.make("train", f"model=lightgbm {QUICK}", account="ci")
    network = f"{stack.own['COMPOSE_PROJECT_NAME']}_front"
    said = finished(
        stack.project.tag("trainer"), "python", "-m", f"{PACKAGE}.cli.train", "model=linear", *QUICK.split(),
        volumes=("/app/data", "/app/outputs"), options=("--network", network),
        **stack.account("ci", "http://mlflow:5000"),
    )  # fmt: skip
    assert f"registered {PACKAGE} version 2 under dev" in said
    for account in ("people", "reader"):
        door = stack.door(account)
        alias = {"name": PACKAGE, "alias": "prod", "version": "1"}
        assert door.ask("POST", "2.0/mlflow/registered-models/alias", **alias)["error_code"] == "403"
        fresh = {"name": PACKAGE, "source": "models:/m-1"}
        assert door.ask("POST", "2.0/mlflow/model-versions/create", **fresh)["error_code"] == "403"
        assert door.ask("DELETE", "2.0/mlflow/registered-models/delete", name=PACKAGE)["error_code"] == "403"
    for account in ("admin", "ci"):
        assert not Door(stack.registry, account, "password1234").opens
    assert stack.aliases() == {"dev": "2"}


def check_promotion(stack: Stack) -> None:
    """Through all gates to `staging` and `prod`, by CI's account alone."""
    by_ci = {"account": "ci", "CI": "woodpecker"}
    said = stack.make("promote", "version=1 to=staging", code=2, account="ci")
    assert "only CI moves staging and prod" in said
    said = stack.make("promote", "version=1 to=staging", code=2, account="people", CI="woodpecker")
    assert "Permission denied" in said.splitlines()[-2], said
    assert stack.aliases() == {"dev": "2"}
    for alias in ("staging", "prod"):
        stack.make("promote", f"version=1 to={alias}", **by_ci)
    assert stack.aliases() == {"dev": "2", "staging": "1", "prod": "1"}


def check_metrics(stack: Stack) -> None:
    """The service goes where `prod` goes; Grafana's panels have something to show of it."""
    stack.run("docker", "compose", "--profile", "monitoring", "up", "--detach", "--wait", "prometheus")
    with pytest.raises(HTTPError, match="401"):
        OPENER.open(Request(f"http://{stack.port('api')}/predict", b"{}"), timeout=30)
    until(lambda: measured(stack, "serving_model_info") == served("1"), "the service's metrics")
    for alias in ("staging", "prod"):
        stack.make("promote", f"version=2 to={alias}", account="ci", CI="woodpecker")
    until(lambda: stack.asked("/model")["version"] == "2", "version 2")
    until(lambda: measured(stack, "serving_model_info") == served("2"), "the new version's metrics")
    for query in (
        'increase(serving_swaps_total{result="swapped"}[5m]) > 0',
        'serving_refusals_total{reason="key"} > 0',
    ):
        until(lambda query=query: bool(measured(stack, query)), query)
    page = json.loads((stack.folder / "deployment/docker/stack/grafana/serving.json").read_text(encoding="utf-8"))
    for panel in page["panels"]:
        for target in panel["targets"]:
            query = target["expr"].replace("$__rate_interval", "5m")
            until(lambda query=query: bool(measured(stack, query)), f"{panel['title']}: {query}")


def served(version: str) -> list[dict[str, str]]:
    """The labels of what is said about the version that is served."""
    return [{"version": version, "alias": "prod", "name": PACKAGE, "job": "api"}]


def measured(stack: Stack, query: str) -> list[dict[str, str]]:
    """The labels of what Prometheus has at the moment."""
    with OPENER.open(f"http://{stack.port('prometheus')}/api/v1/query?query={quote(query)}", timeout=30) as response:
        found = json.load(response)["data"]["result"]
    apart = ("__name__", "instance")
    return [{name: value for name, value in one["metric"].items() if name not in apart} for one in found]


def check_other_secrets(stack: Stack, backup: Path) -> None:
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
    for name, value in stack.own.items():
        monkeypatch.setenv(name, value)
    printed = follow(stack.folder, "stack.md")
    assert "not registered: this account may not" in printed
    assert f"registered {PACKAGE} version 1 under dev" in printed
    assert '"predictions":[{"progression_prediction":' in printed
    assert printed.count("made: ") == 6  # once, and never again
    assert "backup: backups/before-the-upgrade" in printed
