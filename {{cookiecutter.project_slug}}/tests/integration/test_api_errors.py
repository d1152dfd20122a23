"""Every refusal of the gate has the form of the dialect that was spoken; headers and metrics are those of all."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from deployment.api import served
from deployment.api.app import Service, create_app
from tests.servables import ROWS, serving, write_servable

INFER, VERSIONED = "/v2/models/house/infer", "/v2/models/house/versions/1/infer"
DOORS = ["/predict", INFER, VERSIONED, "/invocations"]
FAILED = "the service failed: its log holds the reason under this request id"
CODES = {
    400: "BAD_REQUEST", 401: "UNAUTHENTICATED", 404: "ENDPOINT_NOT_FOUND", 405: "BAD_REQUEST",
    408: "DEADLINE_EXCEEDED", 413: "REQUEST_LIMIT_EXCEEDED", 415: "BAD_REQUEST", 500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}  # fmt: skip
every_door = pytest.mark.parametrize("path", DOORS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_servable(tmp_path_factory.mktemp("servables") / "price")


def client(folder: Path, **changed: Any) -> TestClient:
    return TestClient(create_app(serving(folder, **changed)), raise_server_exceptions=False)


def line(path: str, status: int, document: Any) -> str:
    """The one line of an error, whose form is checked."""
    if path.startswith("/v2"):
        assert set(document) == {"error"}
        return str(document["error"])
    if path.startswith(("/invocations", "/ping")):
        assert set(document) == {"error_code", "message"}
        assert document["error_code"] == CODES[status]
        return str(document["message"])
    assert set(document) - {"request_id"} == {"detail"}
    return str(document["detail"])


@every_door
def test_keys_methods_and_lengths(folder: Path, path: str) -> None:
    asked = client(folder, api_keys="secret", max_body_bytes=100)
    key = {"X-API-Key": "secret"}
    for response, status, begin in [
        (asked.post(path), 401, "this service asks for an API key"),
        (asked.put(path, headers=key), 405, "PUT is not answered here: send a POST"),
        (asked.post(path, content=b" " * 101, headers=key), 413, "the body has more than 100 bytes"),
        (asked.post(path, content=b"{", headers=key), 400, ""),
        (asked.post(path, content=b"{", headers=key | {"Content-Encoding": "zstd"}), 415, "this Content-Encoding"),
    ]:
        assert response.status_code == status
        assert response.headers["content-type"] == "application/json"
        assert line(path, status, response.json()).startswith(begin)
    assert asked.post(path).headers["www-authenticate"] == "Bearer"
    assert asked.get(path, headers=key).headers["allow"] == "POST"


@every_door
def test_failures(folder: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = client(folder)
    monkeypatch.setattr(served.Served, "load", lambda *_: 1 / 0)
    monkeypatch.setattr("deployment.api.app.Service._allowed", lambda *_: 1 / 0)
    body = {"/predict": {"records": []}, "/invocations": {"inputs": {}}}.get(path, {"inputs": tensors()})
    response = asked.post(path, json=body, headers={"X-Request-ID": "abc"})
    assert response.status_code == 500
    assert line(path, 500, response.json()) == (FAILED if path == "/predict" else f"{FAILED}: abc")


def tensors() -> list[dict[str, Any]]:
    from tests.servables import COLUMNS

    return [
        {"name": c.name, "datatype": "BYTES" if c.kind == "category" else "FP64", "shape": [0, c.width], "data": []}
        for c in COLUMNS
        if c.role != "key"
    ]


@every_door
def test_no_model(folder: Path, path: str) -> None:
    asked = client(folder)
    asked.app.state.served = None  # type: ignore[attr-defined]
    response = asked.post(path, content=b"{}")
    assert response.status_code == 503
    assert line(path, 503, response.json()) == "no model is loaded: ask /health/ready until it answers 200"


@pytest.mark.parametrize("path", ["/v2/", "/v2/models", "/v2/models/house/explain", "/v2/repository/index", "/ping/x",
                                  "/invocations/1"])  # fmt: skip
def test_paths_that_are_none(folder: Path, path: str) -> None:
    asked = client(folder)
    for response in (asked.get(path), asked.post(path, content=b"{}")):
        assert response.status_code == 404
        assert line(path, 404, response.json()) == "there is nothing at this path: /docs lists what is"


def test_methods_of_what_is_read(folder: Path) -> None:
    asked = client(folder)
    for path in ("/v2", "/v2/health/live", "/v2/models/house", "/v2/models/house/config", "/ping"):
        response = asked.post(path)
        assert (response.status_code, response.headers["allow"]) == (405, "GET")
        assert line(path, 405, response.json()) == "POST is not answered here: send a GET"


def test_health(folder: Path) -> None:
    app = create_app(serving(folder, api_keys="secret"))
    asked = TestClient(app)
    assert asked.get("/v2/health/live").json() == {"live": True}
    assert asked.get("/v2/health/ready").json() == {"ready": True}
    assert asked.get("/v2/models/house/ready").status_code == 401
    ready = asked.get("/v2/models/house/ready", headers={"X-API-Key": "secret"})
    assert ready.json() == {"name": "house", "ready": True}
    app.state.draining = True
    for path in ("/v2/health/ready", "/v2/models/house/ready"):
        response = asked.get(path, headers={"X-API-Key": "secret"})
        assert (response.status_code, response.json()) == (
            503,
            {"error": "this server is about to end: ask another one"},
        )
    app.state.draining, app.state.served = False, None
    assert asked.get("/v2/health/live").status_code == 200
    assert asked.get("/v2/health/ready").status_code == 503


async def ask(app: Service, path: str, chunks: list[bytes], wait: float = 0.0) -> tuple[int, Any]:
    """One request by hand; `wait` seconds before each chunk, and then the last one never ends."""
    scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b""}
    left, sent = list(chunks), []

    async def receive() -> Any:
        await asyncio.sleep(wait)
        return {"type": "http.request", "body": left.pop(0) if left else b"", "more_body": bool(left) or wait > 0}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


@every_door
def test_slow_and_full(folder: Path, path: str) -> None:
    app = create_app(serving(folder, body_seconds=0.1, max_in_flight=1, inline_ms=1000.0))
    status, document = asyncio.run(ask(app, path, [b"{"], wait=0.06))
    assert status == 408
    assert line(path, 408, document) == "the body did not arrive within 0.1 s: send it faster, or less of it"

    async def burst() -> list[tuple[int, Any]]:
        return await asyncio.gather(*(ask(app, path, [b"{}"]) for _ in range(3)))

    answers = asyncio.run(burst())
    assert sorted(status for status, _ in answers)[1:] == [503, 503]
    for status, document in answers:
        if status == 503:
            assert line(path, 503, document) == "1 requests are being worked on: ask again in 1 s"


def test_the_labels_of_the_metrics_do_not_grow(folder: Path) -> None:
    asked = client(folder)
    for number in range(30):
        asked.get(f"/v2/models/m{number}")
        asked.post(f"/v2/models/house/versions/{number}/infer", content=b"{}")
        asked.get(f"/v2/nothing/{number}")
    asked.post("/invocations", json={"dataframe_records": [{k: v for k, v in ROWS[0].items() if k != "id"}]})
    samples = [
        sample
        for family in text_string_to_metric_families(asked.get("/metrics").text)
        for sample in family.samples
        if sample.name == "serving_requests_total"
    ]
    assert {(sample.labels["route"], sample.labels["status"]): sample.value for sample in samples} == {
        ("/v2/models/{model_name}", "404"): 30,
        ("/v2/models/{model_name}/versions/{model_version}/infer", "404"): 29,
        ("/v2/models/{model_name}/versions/{model_version}/infer", "400"): 1,
        ("other", "404"): 30,
        ("/invocations", "200"): 1,
    }
