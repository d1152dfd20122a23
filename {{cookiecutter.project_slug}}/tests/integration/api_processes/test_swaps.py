"""The service while its alias moves: swaps under load, kills while it swaps, versions that may not serve."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry

from deployment.api.app import create_app
from tests.project import store
from tests.servables import ROWS, serving, write_servable
from tests.servers import PATIENCE, Server, prices, register, running

pytestmark = pytest.mark.slow
REFERENCE = "serving.reference=models:/house@dev"
BODY = json.dumps({"records": ROWS})
QUICK = ("serving.poll_seconds=0.1", "serving.drain_seconds=0")


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
