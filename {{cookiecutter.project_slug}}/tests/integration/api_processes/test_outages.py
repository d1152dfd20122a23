"""The service as a process whose registry is not there, hangs, goes and comes."""

import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry
from {{ cookiecutter.project_slug }}.integrations.mlflow_store import one_line
from {{ cookiecutter.project_slug }}.ports import UnreachableError

from tests.ports import free_ports
from tests.project import environment_of, store
from tests.servables import write_servable
from tests.servers import PATIENCE, Server, register, running

pytestmark = pytest.mark.slow
REFERENCE = "serving.reference=models:/house@dev"
QUICK = ("serving.poll_seconds=0.1", "serving.drain_seconds=0")


class Down(http.server.BaseHTTPRequestHandler):
    """A registry that answers 503, or not at all."""

    hangs = False

    def do_GET(self) -> None:
        if self.hangs:
            time.sleep(PATIENCE)
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def down(hangs: bool) -> Iterator[str]:
    handler = type("Handler", (Down,), {"hangs": hangs})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as fake:
        fake.daemon_threads, fake.block_on_close = True, False
        threading.Thread(target=fake.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{fake.server_port}"
        fake.shutdown()


@pytest.mark.parametrize("hangs", [True, False])
def test_a_start_without_registry_and_without_last_good(project: Path, hangs: bool) -> None:
    with (
        down(hangs) as uri,
        running(project, REFERENCE, *QUICK, "serving.registry_seconds=1", MLFLOW_TRACKING_URI=uri) as server,
    ):
        assert server.listening().get("/health/live")[0] == 200
        detail = {"detail": "no model is loaded: ask /health/ready until it answers 200"}
        for path in ("/health/ready", "/model"):
            assert server.get(path) == (503, detail)
        assert server.get("/openapi.json")[1]["info"]["title"] == "no model"
        assert "serving_registry_up 0.0" in server.get("/metrics")[1]
        assert "there is no last good servable of models:/house@dev" in server.log
        assert server.end() == 0
        assert "Traceback" not in server.log


def test_a_mistake_at_the_start_is_one_line(project: Path) -> None:
    register(store(), write_servable(project / "v1"))
    for reference, line in (
        ("models:/house@prod", "has the alias 'prod'; aliases that are set: dev"),
        ("models:/house/prod", "is not models:/<name>@<alias> or models:/<name>/<version>"),
        ("models:/other@dev", "there is no registered model 'other'"),
    ):
        with running(project, f"serving.reference={reference}") as server:
            assert server.process.wait(PATIENCE) == 1
            assert line in server.log
            assert len(server.log.splitlines()) == 1


def test_answers_of_a_registry_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    for hangs in (True, False):
        with down(hangs) as uri:
            with pytest.raises(UnreachableError):
                MlflowRegistry(uri).find("models:/house@dev")
            with pytest.raises(UnreachableError), one_line(uri):
                mlflow.artifacts.download_artifacts("mlflow-artifacts:/a/model")


@contextmanager
def mlflow_server(folder: Path, port: int) -> Iterator[None]:
    """A real MLflow server on its own store."""
    folder.mkdir(exist_ok=True)
    command = [
        sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1", "--port", str(port),
        "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    environment = environment_of(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + PATIENCE
        with socket.socket() as probe:
            while probe.connect_ex(("127.0.0.1", port)):
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.2)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_registry_over_http_goes_and_comes(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
    (port,) = free_ports(1)
    uri = f"http://127.0.0.1:{port}"
    overrides = (REFERENCE, *QUICK, "serving.registry_seconds=10")
    with mlflow_server(project / "mlflow", port):
        register(uri, write_servable(project / "v1"))
        first = Server(project, *overrides, MLFLOW_TRACKING_URI=uri)
        try:
            first.listening()
        except AssertionError:
            first.process.kill()
            raise
    try:  # the registry is gone
        gone = first.until("/model", lambda _, model: model["following"]["registry"] == "does not answer")
        assert gone["following"]["from"] == "registry"
        assert first.get("/health/ready")[0] == 200
    finally:
        first.end(signal.SIGKILL)
    with running(project, *overrides, MLFLOW_TRACKING_URI=uri) as second:
        model = second.listening().get("/model")[1]
        assert (model["version"], model["following"]["from"]) == ("1", "last good")
        assert "serving the last good servable of models:/house@dev, version 1" in second.log
        with mlflow_server(project / "mlflow", port):
            second.until("/model", lambda _, model: model["following"]["from"] == "registry")
            register(uri, write_servable(project / "v2", bias=1.0))
            second.until("/model", lambda _, model: model["version"] == "2")
        assert second.log.count("the registry answers again") == 1
