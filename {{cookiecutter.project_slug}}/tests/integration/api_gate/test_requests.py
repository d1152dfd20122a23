"""What every request meets: an id, a log line, metrics, errors that tell nothing of the code."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from {{ cookiecutter.project_slug }}.schemas.config import LoggingConfig

from deployment.api import served
from deployment.api.app import create_app
from tests.clients import BODY, access, client, sample
from tests.servables import ROWS, serving


def test_request_ids(folder: Path) -> None:
    asked = client(folder)
    for sane in ("a", "7f:3/b=c@d+e.f_g-h", "x" * 128):
        assert asked.post("/predict", json=BODY, headers={"X-Request-ID": sane}).headers["x-request-id"] == sane
    made = set()
    for odd in (None, "", "a b", "-a", "x" * 129, "a\tb", "ü".encode(), b"a\xff"):
        headers: Any = {} if odd is None else {"X-Request-ID": odd}
        for path in ("/health/live", "/nowhere"):
            made.add(asked.get(path, headers=headers).headers["x-request-id"])
    assert len(made) == 16
    assert all(re.fullmatch(r"[0-9a-f]{16}-\d+", name) for name in made)


def test_one_log_line_per_request(folder: Path, records: list[dict[str, Any]]) -> None:
    asked = client(folder)
    records.clear()
    asked.post("/predict", json={"records": ROWS}, headers={"X-Request-ID": "mine"})
    asked.post("/predict", content=b"no")
    asked.get("/health/live")
    asked.get("/no%0Awhere")
    lines = access(records)
    assert [(line["method"], line["path"], line["status"], line["rows"]) for line in lines] == [
        ("POST", "/predict", 200, len(ROWS)), ("POST", "/predict", 400, None), ("GET", "/health/live", 200, None),
        ("GET", r"'/no\nwhere'", 404, None),
    ]  # fmt: skip
    assert lines[0]["request_id"] == "mine"
    assert lines[0]["ms"] > 0
    assert re.fullmatch(rf"POST /predict 200 [\d.]+ ms rows={len(ROWS)} id=mine", lines[0]["message"])


def test_log_lines_as_json(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    from {{ cookiecutter.project_slug }}.logging import configure

    configure(LoggingConfig(level="INFO", format="json", file=None))
    try:
        with client(folder) as asked:
            monkeypatch.setattr(served.Served, "respond", lambda *_: 1 / 0)
            asked.post("/predict", json=BODY, headers={"X-Request-ID": "seven"})
        lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    finally:
        configure(LoggingConfig(level="INFO", format="console", file=None))
    failed, line = (line for line in lines if "request_id" in line)
    assert failed["request_id"] == line["request_id"] == "seven"
    assert failed["exception"].startswith("ZeroDivisionError")
    assert "Traceback" in failed["traceback"]
    assert (line["logger"], line["status"], line["path"], line["version"]) == ("access", 500, "/predict", None)
    assert line["time"].endswith("+00:00")


@pytest.mark.parametrize("inline_ms", [1000.0, 0.0])
def test_a_500_tells_nothing_of_the_code(
    folder: Path, records: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, inline_ms: float
) -> None:
    asked = client(folder, inline_ms=inline_ms)

    def broken(*_: object) -> None:
        raise RuntimeError("secret of the code")

    monkeypatch.setattr(served.Served, "respond", broken)
    response = asked.post("/predict", json=BODY, headers={"X-Request-ID": "abc"})
    document = {"detail": "the service failed: its log holds the reason under this request id", "request_id": "abc"}
    assert (response.status_code, response.json()) == (500, document)
    (failed,) = [record for record in records if "secret of the code" in record["text"]]
    assert failed["message"] == "POST /predict failed, request abc"
    assert "Traceback" in failed["text"]
    monkeypatch.setattr(served.Served, "describe", broken)
    response = asked.get("/model", headers={"X-Request-ID": "abc"})
    assert (response.status_code, response.json()) == (500, document)
    assert asked.post("/predict", content=b"{").status_code == 400  # and it goes on


def test_other_methods(folder: Path) -> None:
    asked = client(folder)
    response = asked.get("/predict")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert response.json() == {"detail": "GET is not answered here: send a POST"}
    assert asked.post("/model").status_code == 405
    assert asked.post("/nowhere").json() == {"detail": "Not Found"}


def test_metrics(folder: Path) -> None:
    asked = client(folder, inline_ms=1000.0)
    asked.post("/predict", json={"records": ROWS})
    asked.post("/predict", json={"records": ROWS[:2]})
    asked.post("/predict", content=b"{")
    asked.get("/one")
    asked.get("/two")
    assert sample(asked, "serving_requests_total", route="/predict", status="200") == 2
    assert sample(asked, "serving_requests_total", route="/predict", status="400") == 1
    assert sample(asked, "serving_requests_total", route="other", status="404") == 2
    assert sample(asked, "serving_request_seconds_count", route="/predict") == 3
    assert sample(asked, "serving_rows_total") == len(ROWS) + 2
    assert sample(asked, "serving_inference_seconds_count", where="event loop") == 2
    assert sample(asked, "serving_refusals_total", reason="malformed") == 1
    assert sample(asked, "serving_model_info", name="house", version="", alias="") == 1
    assert sample(asked, "serving_in_flight") == 0
    assert sample(asked, "process_resident_memory_bytes")
    fresh = client(folder)  # each application counts for itself, from 0 where an event is one to be warned of
    assert sample(fresh, "serving_rows_total") == 0
    assert sample(fresh, "serving_refusals_total", reason="full") == 0
    assert sample(fresh, "serving_swaps_total", result="broken") == 0


def test_draining(folder: Path) -> None:
    app = create_app(serving(folder))
    asked = TestClient(app)
    app.state.draining = True
    response = asked.get("/health/ready")
    assert (response.status_code, response.json()["detail"]) == (503, "this server is about to end: ask another one")
    for response in (asked.get("/health/live"), asked.post("/predict", json=BODY)):
        assert (response.status_code, response.headers["connection"]) == (200, "close")
