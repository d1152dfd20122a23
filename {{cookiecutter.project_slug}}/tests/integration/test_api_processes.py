"""The service as processes: swaps under load, kills, signals, and a registry that is not there."""

import http.server
import json
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
from typing import Any

import pytest
from starlette.testclient import TestClient

from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry
from {{ cookiecutter.project_slug }}.integrations.mlflow_store import one_line
from {{ cookiecutter.project_slug }}.ports import UnreachableError

from deployment.api.app import create_app
from tests.project import environment_of, make_project, store
from tests.servables import ROWS, serving, write_servable
from tests.servers import PATIENCE, Server, register, running

pytestmark = pytest.mark.slow
REFERENCE = "serving.reference=models:/house@dev"
BODY = json.dumps({"records": ROWS})
QUICK = ("serving.poll_seconds=0.1", "serving.drain_seconds=0")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = make_project(tmp_path)
    monkeypatch.chdir(folder)
    return folder


def prices(folder: Path) -> list[float]:
    """What a servable answers to ROWS."""
    answers = Engine(folder).run({name: [row[name] for row in ROWS] for name in ROWS[0]})
    return [float(value) for value in answers["price_prediction"][:, 0]]


class Load:
    """Threads that ask for predictions until they are told to stop.

    Args:
        server: the one that is asked.
        threads: how many.
    """

    def __init__(self, server: Server, threads: int = 8) -> None:
        self.server, self.stop = server, threading.Event()
        self.answers: list[tuple[str, list[float]]] = []
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        connection = self.server.connect()
        while not self.stop.is_set():
            try:
                connection.request("POST", "/predict", BODY)
                response = connection.getresponse()
                document = json.loads(response.read())
                values = [row["price_prediction"] for row in document["predictions"]]
                self.answers.append((document["model"]["version"], values))
            except Exception as error:
                self.failures.append(repr(error))
                return


def test_swaps_under_load(project: Path) -> None:
    folders = [write_servable(project / f"v{n}", bias=float(n)) for n in range(4)]
    register(store(), folders[0])
    with running(project, REFERENCE, *QUICK) as server, Load(server.listening()) as load:
        for folder in folders[1:]:
            number = register(store(), folder).version
            server.until("/model", lambda _, model, number=number: model["version"] == number)
            seen = len(load.answers)
            while len(load.answers) < seen + 50 and not load.failures:
                time.sleep(0.01)
        load.stop.set()
        info = server.get("/openapi.json")[1]["info"]
        metrics = server.get("/metrics")[1]
    assert load.failures == []
    want = {str(position + 1): prices(folder) for position, folder in enumerate(folders)}
    assert {version for version, _ in load.answers} == set(want)
    assert [answer for answer in load.answers if answer[1] != want[answer[0]]] == []
    assert info["version"] == "4"
    assert 'serving_swaps_total{result="swapped"} 4.0' in metrics
    assert 'serving_model_info{alias="dev",name="house",version="4"} 1.0' in metrics
    assert "serving_registry_up 1.0" in metrics


def test_killed_while_it_swaps(project: Path) -> None:
    folders = [write_servable(project / f"v{n}", bias=float(n)) for n in range(2)]
    want = {str(position + 1): prices(folder) for position, folder in enumerate(folders)}
    versions = [register(store(), folder) for folder in folders]
    registry = MlflowRegistry(store())
    for round_ in range(4):
        with running(project, REFERENCE, "serving.poll_seconds=0.01") as server, Load(server.listening(), 1) as load:
            for move in range(2 + 3 * round_):  # killed a little later each time
                registry.set_alias(versions[move % 2], "dev")
                time.sleep(0.01)
            server.process.kill()
            load.stop.set()
        assert [answer for answer in load.answers if answer[1] != want[answer[0]]] == []
    registry.set_alias(versions[1], "dev")
    with running(project, REFERENCE, *QUICK) as server:
        assert server.listening().get("/model")[1]["version"] == "2"
        assert server.end() == 0


def test_versions_that_may_not_serve(project: Path) -> None:
    register(store(), write_servable(project / "v1"))
    app = create_app(serving("models:/house@dev", poll_seconds=0.02))
    broken = write_servable(project / "v2", bias=1.0)
    (broken / "model.onnx").write_bytes((project / "v1/model.onnx").read_bytes())
    with TestClient(app) as client:

        def refused() -> Any:
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline:
                found = client.get("/model").json()["following"]["refused"]
                if found is not None and found["version"] == number:
                    return found
                time.sleep(0.02)
            raise AssertionError(client.get("/model").json())

        number = register(store(), broken).version
        assert refused()["result"] == "broken"
        assert "is not the file that was trained" in refused()["reason"]
        number = register(store(), write_servable(project / "v3", "classification")).version
        assert refused()["result"] == "incompatible"
        assert client.post("/predict", content=BODY).json()["model"]["version"] == "1"
        metrics = client.get("/metrics").text
        assert 'serving_swaps_total{result="broken"} 1.0' in metrics
        assert 'serving_swaps_total{result="incompatible"} 1.0' in metrics


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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
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


def test_sigterm_drains(project: Path) -> None:
    folder = write_servable(project / "servable")
    with running(project, f"serving.reference={folder}", "serving.drain_seconds=2") as server:
        server.listening()
        kept = server.connect()
        kept.request("POST", "/predict", BODY)
        kept.getresponse().read()
        slow = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
        head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY.encode())}\r\n\r\n"
        slow.sendall(head.encode() + BODY.encode()[:20])
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("draining for 2 s")
        detail = {"detail": "this server is about to end: ask another one"}
        assert server.get("/health/ready") == (503, detail)
        assert server.get("/health/live")[0] == 200
        kept.request("POST", "/predict", BODY)  # an open connection is still answered, and told to close
        response = kept.getresponse()
        assert (response.status, response.getheader("connection")) == (200, "close")
        server.wait_for("Shutting down")
        with socket.socket() as probe:  # nothing more is accepted
            while not probe.connect_ex(("127.0.0.1", server.port)):
                pytest.fail("a new connection was accepted")
        slow.sendall(BODY.encode()[20:])
        answer = b""
        while chunk := slow.recv(65536):
            answer += chunk
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert [row["price_prediction"] for row in json.loads(answer.partition(b"\r\n\r\n")[2])["predictions"]] == prices(folder)  # fmt: skip
        assert server.process.wait(PATIENCE) == 0
        assert "Traceback" not in server.log


def test_a_second_signal_ends_at_once(project: Path) -> None:
    folder = write_servable(project / "servable")
    with running(project, f"serving.reference={folder}", "serving.drain_seconds=1000") as server:
        server.listening().process.send_signal(signal.SIGTERM)
        server.wait_for("draining for 1000 s")
        assert server.end() == -signal.SIGTERM


def test_ctrl_c_does_not_wait(project: Path) -> None:
    folder = write_servable(project / "servable")
    with running(project, f"serving.reference={folder}", "serving.drain_seconds=1000") as server:
        assert server.listening().end(signal.SIGINT) == 130
        assert server.log.splitlines()[-1] == "interrupted"


def test_what_does_not_finish_is_given_up(project: Path) -> None:
    folder = write_servable(project / "servable")
    limits = ("serving.drain_seconds=0", "serving.finish_seconds=1", "serving.body_seconds=1000")
    with running(project, f"serving.reference={folder}", *limits) as server:
        server.listening()
        with socket.create_connection(("127.0.0.1", server.port)) as slow:
            slow.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            time.sleep(0.2)
            assert server.end() == 0
