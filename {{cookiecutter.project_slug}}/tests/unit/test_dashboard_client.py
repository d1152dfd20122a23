"""The client: every way in which a service does not answer is one line that says what to do."""

import http.server
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from {{ cookiecutter.project_slug }}.schemas.contract import Column, Contract, Target

from deployment.api.app import create_app
from deployment.dashboards import client
from deployment.dashboards.client import Api, ApiError, RefusedError
from tests import servables
from tests.dashboards import Thread, service
from tests.servables import ROWS, expected, serving, write_servable

COLUMNS = {name: [row[name] for row in ROWS] for name in ROWS[0]}
CONTRACT = Contract(
    name="house", columns=servables.COLUMNS, targets=(Target(name="price", kind="regression", deviation=20.0),)
)
Y = Contract(
    name="m", columns=(Column(name="x", kind="number"),), targets=(Target(name="y", kind="regression", deviation=1.0),)
)
Reply = tuple[int, dict[str, str], bytes]


@contextmanager
def answering(*replies: Reply | None) -> Iterator[tuple[str, list[str]]]:
    """A server that gives these replies, the last one for ever, and None for none; its address and what was asked."""
    asked: list[str] = []
    done = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def reply(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            reply = replies[min(len(asked), len(replies) - 1)]
            asked.append(f"{self.command} {self.path} {self.headers.get('x-api-key')}")
            if reply is None:
                done.wait(5)
                return
            status, headers, body = reply
            self.send_response(status)
            for name, value in (headers | {"content-length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = reply  # noqa: N815

        def log_message(self, *_: Any) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        done.set()
        server.shutdown()
        server.server_close()


def api(url: str, key: str = "", seconds: float = 5, setting: str = "api") -> Api:
    return Api(url, SecretStr(key), seconds, setting)


def trouble(call: Callable[[], object]) -> str:
    with pytest.raises(ApiError) as caught:
        call()
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def detail(text: str) -> bytes:
    return json.dumps({"detail": text}).encode()


def test_a_real_service(tmp_path: Path) -> None:
    folder = write_servable(tmp_path / "a")
    with service(folder, api_keys="one,two") as running:  # pragma: allowlist secret
        asked = api(running.url, "two")
        served = asked.served()
        answer = asked.predict(COLUMNS, served.contract)
        report = asked.promotion()
        assert trouble(api(running.url).served) == (
            f"the service at {running.url} asks for an API key: set DASHBOARD_API_KEY to one that it knows, and start anew"
        )
        wrong = trouble(api(running.url, "three", setting="staging_api").served)
    assert "refuses the key in DASHBOARD_STAGING_API_KEY" in wrong
    assert "three" not in wrong
    assert (served.contract.name, served.version, served.reference) == ("house", None, str(folder))
    assert [column.name for column in served.contract.columns] == list(COLUMNS)
    assert served.contract.missing_tokens[0] == ""
    assert served.contract.provenance is not None
    assert served.contract.provenance.commit == "c" * 40
    assert answer.columns["price_prediction"] == pytest.approx(expected(ROWS)["price_prediction"][:, 0].tolist())
    assert answer.columns["id"] == [row["id"] for row in ROWS]
    assert report == f"{folder} is a directory: only versions of the registry pass gates"


def test_what_it_refuses(tmp_path: Path) -> None:
    with service(write_servable(tmp_path / "a"), max_rows=2) as running:
        asked = api(running.url)
        with pytest.raises(RefusedError, match="column 'age' may not be missing, row 1 holds null") as caught:
            asked.predict({"age": [1, None]}, CONTRACT)
        assert caught.value.status == 422
        with pytest.raises(RefusedError, match="the request has 5 rows, 2 are allowed") as caught:
            asked.predict(COLUMNS, CONTRACT)
        assert caught.value.status == 413


def test_nobody_listens() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        line = trouble(api(url, setting="staging_api").served)
    assert line == f"the service at {url} cannot be reached: is it running, and dashboard.staging_api its address?"


def test_a_service_that_comes_back(tmp_path: Path) -> None:
    """Connections that were kept from before are no hindrance."""
    app = create_app(serving(write_servable(tmp_path / "a")))
    first = Thread(app)
    asked = api(first.url)
    want = asked.predict(COLUMNS, CONTRACT)
    first.end()
    assert "cannot be reached" in trouble(asked.served)
    second = Thread(create_app(serving(tmp_path / "a")), first.port)
    try:
        assert asked.predict(COLUMNS, CONTRACT) == want
    finally:
        second.end()


def test_no_answer_in_time() -> None:
    with answering(None) as (url, _):
        line = trouble(api(url, seconds=0.2).served)
    assert line == (f"the service at {url} did not answer within 0.2 s: ask again, or raise dashboard.timeout_seconds")


def test_no_place_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(client.time, "sleep", waited.append)
    busy = (503, {"retry-after": "60"}, detail("64 requests are being worked on"))
    good = (200, {}, json.dumps({"predictions": {"y_prediction": [1]}, "model": {"version": "1"}}).encode())
    with answering(busy, good) as (url, asked):
        answer = api(url, "key").predict({"x": [1]}, Y)
    assert answer.columns == {"y_prediction": [1]}
    assert waited == [client.LONGEST_WAIT]
    assert asked == ["POST /predict key"] * 2
    with answering(busy) as (url, asked):
        line = trouble(lambda: api(url).predict({}, Y))
    assert line == f"the service at {url} answers 503: 64 requests are being worked on"
    assert len(asked) == client.TRIES


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ((200, {}, b"<html>"), "answers /model with 200 and no JSON: is dashboard.api its address?"),
        ((502, {}, b"bad gateway"), "answers /model with 502 and no JSON: is dashboard.api its address?"),
        ((404, {}, detail("Not Found")), "answers 404 to /model: is dashboard.api its address?"),
        ((500, {}, detail("the service failed")), "answers 500: the service failed"),
        ((503, {}, detail("no model is loaded")), "answers 503: no model is loaded"),
        ((200, {}, b"[]"), "describes no model as this project's service does: is the address right?"),
        ((200, {}, b"{}"), "describes no model as this project's service does: is the address right?"),
        (
            (200, {}, b'{"schema_version": 2}'),
            "describes a contract of schema 2, this dashboard reads 1: update the older of the two",
        ),
    ],
)
def test_another_kind_of_service(reply: Reply, said: str) -> None:
    with answering(reply) as (url, _):
        assert trouble(api(url).served) == f"the service at {url} {said}"


def test_a_report_that_cannot_be_had() -> None:
    with answering((503, {}, detail("MLflow does not answer"))) as (url, _):
        assert api(url).promotion() == f"the service at {url} answers 503: MLflow does not answer"


@pytest.mark.parametrize(
    "document",
    [
        {"predictions": {"z_prediction": [1]}, "model": {}},
        {"predictions": {"y_prediction": ["a"], "y_probabilities": {"a": [1.0]}}, "model": {}},
        {"predictions": [{"y_prediction": 1}], "model": {}},
        {"predictions": {"y_prediction": [1]}},
        [],
    ],
)
def test_another_model_in_its_place(document: Any) -> None:
    with answering((200, {}, json.dumps(document).encode())) as (url, _):
        assert trouble(lambda: api(url).predict({}, Y)) == (
            f"the service at {url} predicts something else than it did: look at the form again, and ask once more"
        )
