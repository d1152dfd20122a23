"""A pod as its manifest describes it: a Triton without a model, and beside it what brings it to the alias."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry

from tests.manifests import Manifest, by_command, environment, everything, overrides
from tests.project import PACKAGE, environment_of, make_project
from tests.servers import register
from tests.tritons import CLIENTS, PATIENCE, check_closed, installed, running, served

pytestmark = pytest.mark.slow
STAGE = "staging"
KEY = "s3cret"


@pytest.fixture
def manifests() -> list[Manifest]:
    return everything()[STAGE]


def named(options: list[str]) -> dict[str, str]:
    """Options by their names, with what they say."""
    return dict(option.partition("=")[::2] for option in options if option.startswith("--"))


def until(condition: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait; what the process writes says why it does not come."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text(encoding="utf-8")
        time.sleep(0.1)


@contextmanager
def followed(
    command: list[str], project: Path, variables: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """The process beside the server, and its log."""
    log = project / "sync.log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=project, env=environment_of(**variables), stdout=file, stderr=file)
    try:
        yield process, log
    finally:
        process.kill()
        process.wait()


def test_a_pod(manifests: list[Manifest], folders: dict[int, Path], tmp_path: Path) -> None:
    """It is ready when the model has answered its golden rows, and goes where the alias goes."""
    _, triton = by_command(manifests, "tritonserver")
    _, sync = by_command(manifests, "python", "-m", f"{PACKAGE}.cli.triton")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    registry = MlflowRegistry(uri)
    versions = {number: register(uri, folders[number]) for number in (1, 2)}
    registry.set_alias(versions[1], STAGE)
    options = overrides(manifests, triton, TRITON_CONTROL_KEY=KEY)
    local = named(installed().command(tmp_path, "127.0.0.1:1", "127.0.0.1:2"))
    own = [option for option in options if option.partition("=")[0] not in local]
    closed = f"model-repository,shared-memory,trace,logging:control-key={KEY}"
    assert own == [f"--http-restricted-api={closed}", f"--grpc-restricted-protocol={closed}"]
    apart = {"--model-repository", "--exit-timeout-secs"}
    shared = {name: said for name, said in named(options).items() if name in local.keys() - apart}
    assert shared == {name: local[name] for name in shared}, "the server of the tests is started otherwise"

    values = environment(manifests, sync) | {"MLFLOW_TRACKING_URI": uri, "TRITON_CONTROL_KEY": KEY}
    with running(tmp_path / "models", *own) as server:
        client = server.client()
        assert client.is_server_live()
        assert not client.is_model_ready("house"), "the pod would take traffic"
        here = [f"server={server.http}", f"repository={server.repository}", "poll_seconds=0.2"]
        command = [sys.executable, *sync["command"][1:], *overrides(manifests, sync, MODEL="house"), *here]
        with followed(command, make_project(tmp_path / "project"), values) as (process, log):
            until(lambda: bool(client.is_model_ready("house")), process, log)
            assert served(server, folders[1]) == 1
            registry.set_alias(versions[2], STAGE)
            until(lambda: served(server, folders[1]) == 2, process, log)
            for door in CLIENTS:
                check_closed(server.client(door), "house")
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 130
