"""What every request meets: ids, keys, limits, log lines, metrics, errors that tell nothing, business rules."""

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loguru import logger
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.config import LoggingConfig, ServeConfig, validate
from {{ cookiecutter.project_slug }}.utils.verb import compose

from deployment.api import gate, rules, served
from deployment.api.app import Service, create_app
from tests.servables import ROWS, serving, write_servable

BODY = {"records": ROWS[:1]}
KEY = "s3cret-kéy"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_servable(tmp_path_factory.mktemp("servables") / "price")


def client(folder: Path, **changed: Any) -> TestClient:
    return TestClient(create_app(serving(folder, **changed)), raise_server_exceptions=False)


@pytest.fixture
def records() -> Iterator[list[dict[str, Any]]]:
    """What is bound to each line of the access log, with its message and traceback."""
    lines: list[dict[str, Any]] = []

    def keep(message: Any) -> None:
        record = message.record
        lines.append({**record["extra"], "message": record["message"], "text": str(message)})

    sink = logger.add(keep, level="INFO", format="{message}", diagnose=False)
    yield lines
    logger.remove(sink)


def access(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [record for record in records if record.get("logger") == "access"]


def sample(client: TestClient, name: str, /, **labels: str) -> float | None:
    """One value of /metrics."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    samples = [s for family in families for s in family.samples if s.name == name and s.labels == labels]
    return samples[0].value if samples else None


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


def test_keys(folder: Path, records: list[dict[str, Any]]) -> None:
    app = create_app(serving(folder, api_keys=f"{KEY}, other,"))
    asked = TestClient(app)
    secret = KEY.encode()
    for headers in ({"X-API-Key": secret}, {"Authorization": b"Bearer " + secret}, {"Authorization": "bearer other"}):
        assert asked.post("/predict", json=BODY, headers=headers).status_code == 200
        assert asked.get("/model", headers=headers).status_code == 200
    wrong: list[Any] = [
        {}, {"X-API-Key": ""}, {"X-API-Key": "othe"}, {"X-API-Key": "others"}, {"X-API-Key": "other,"},
        {"Authorization": "other"}, {"Authorization": "Basic other"}, {"Authorization": "Bearer "},
        {"X-API-Key": "no", "Authorization": "Bearer other"},
    ]  # fmt: skip
    for headers in wrong:
        for response in (asked.post("/predict", content=b"{", headers=headers), asked.get("/model", headers=headers)):
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
            assert response.json()["detail"].startswith("this service asks for an API key: send it as X-API-Key")
    assert {asked.get(path).status_code for path in ("/docs", "/openapi.json", "/nowhere")} == {401}
    assert {asked.get(path).status_code for path in ("/health/live", "/health/ready", "/metrics")} == {200}
    assert sample(asked, "serving_refusals_total", reason="key") == 2 * len(wrong) + 3
    assert KEY not in str(records) + repr(app.config) + asked.get("/model", headers={"X-API-Key": "other"}).text
    document = asked.get("/openapi.json", headers={"X-API-Key": "other"}).json()
    assert set(document["components"]["securitySchemes"]) == {"X-API-Key", "Bearer"}
    assert document["paths"]["/predict"]["post"]["security"] == [{"X-API-Key": []}, {"Bearer": []}]
    assert "security" not in document["paths"]["/health/live"]["get"]


def test_no_keys_no_words_of_them(folder: Path) -> None:
    document = client(folder).get("/openapi.json").json()
    assert "securitySchemes" not in document.get("components", {})
    assert "security" not in document["paths"]["/predict"]["post"]


@pytest.mark.parametrize("keys", [" ", ",", " , "])
def test_keys_that_are_none_are_a_mistake(monkeypatch: pytest.MonkeyPatch, keys: str) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    monkeypatch.setenv("SERVING_API_KEYS", keys)
    with pytest.raises(UserError, match=r"^config: serving.api_keys: holds commas or blanks and no key"):
        validate(ServeConfig, compose("serve", []))
    monkeypatch.setenv("SERVING_API_KEYS", KEY)
    with pytest.raises(UserError) as caught:
        validate(ServeConfig, compose("serve", ["serving.max_rows=0"]))
    assert KEY not in str(caught.value)


def test_limits_of_bytes_and_rows(folder: Path) -> None:
    asked = client(folder, max_body_bytes=2000, max_rows=3)
    row = {"age": 1}
    assert asked.post("/predict", json={"records": [row] * 3}).status_code == 200
    response = asked.post("/predict", json={"records": [row] * 4})
    assert (response.status_code, response.json()["detail"]) == (
        413, "the request has 4 rows, 3 are allowed: send fewer at a time",
    )  # fmt: skip
    assert asked.post("/predict", json={"columns": {"age": [1] * 4}}).status_code == 413
    text = "the body has more than 2000 bytes: send fewer rows at a time"
    exact = json.dumps({"records": [row]}).encode().ljust(2000)
    assert asked.post("/predict", content=exact).status_code == 200
    response = asked.post("/predict", content=exact + b" ")
    assert (response.status_code, response.json()["detail"]) == (413, text)
    response = asked.post("/predict", content=iter([exact, b" "]))  # chunked: the length is not known before
    assert (response.status_code, response.json()["detail"]) == (413, text)
    assert response.headers["connection"] == "close"
    assert asked.post("/predict", content=iter([exact[:500], exact[500:]])).status_code == 200
    assert sample(asked, "serving_refusals_total", reason="bytes") == 2
    assert sample(asked, "serving_refusals_total", reason="rows") == 2


def test_other_methods(folder: Path) -> None:
    asked = client(folder)
    response = asked.get("/predict")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert response.json() == {"detail": "GET is not answered here: send a POST"}
    assert asked.post("/model").status_code == 405
    assert asked.post("/nowhere").json() == {"detail": "Not Found"}


async def ask(app: Service, chunks: list[bytes], wait: float = 0.0, length: int | None = None) -> tuple[int, Any, Any]:
    """One request by hand: status, headers, body; `wait` seconds before each chunk; never the last one's end."""
    headers = [] if length is None else [(b"content-length", str(length).encode())]
    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": headers, "query_string": b""}
    left, sent = list(chunks), []

    async def receive() -> Any:
        await asyncio.sleep(wait)
        if not left:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left) or wait > 0}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    if not sent:
        return 0, {}, b""
    return sent[0]["status"], dict(sent[0]["headers"]), json.loads(sent[1]["body"])


RAW = json.dumps(BODY).encode()


def test_a_burst_counts_itself(folder: Path, records: list[dict[str, Any]]) -> None:
    app = create_app(serving(folder, max_in_flight=3, retry_after_seconds=7, inline_ms=1000.0))

    async def burst() -> list[tuple[int, Any, Any]]:
        return await asyncio.gather(*(ask(app, [RAW]) for _ in range(10)))

    answers = asyncio.run(burst())
    assert [status for status, _, _ in answers] == [200] * 3 + [503] * 7
    assert answers[-1][1][b"retry-after"] == b"7"
    assert answers[-1][2] == {"detail": "3 requests are being worked on: ask again in 7 s"}
    assert asyncio.run(ask(app, [RAW]))[0] == 200  # the places are free again
    asked = TestClient(app)
    assert sample(asked, "serving_refusals_total", reason="full") == 7
    assert sample(asked, "serving_in_flight") == 0
    assert len([line for line in records if line["message"].startswith("no place for ")]) == 1
    assert len([line for line in access(records) if line.get("path") == "/predict"]) == 4


def test_a_full_pool(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(serving(folder, max_in_flight=3, pool_threads=1, inline_ms=0.0))
    respond, may_end = served.Served.respond, threading.Event()

    def slow(self: served.Served, *asked: Any) -> Any:
        may_end.wait(30)
        return respond(self, *asked)

    monkeypatch.setattr(served.Served, "respond", slow)

    async def fill() -> tuple[list[Any], Any, list[Any]]:
        working = [asyncio.create_task(ask(app, [RAW])) for _ in range(3)]
        while app.gate._admission.in_flight < 3:
            await asyncio.sleep(0.001)
        refused = [await ask(app, [RAW]) for _ in range(5)]
        live = TestClient(app).get("/health/live").status_code  # the loop is free
        may_end.set()
        return refused, live, list(await asyncio.gather(*working))

    refused, live, worked = asyncio.run(fill())
    assert [status for status, _, _ in refused] == [503] * 5
    assert live == 200
    assert [status for status, _, _ in worked] == [200] * 3


def test_places_are_given_back_when_requests_fail(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(serving(folder, max_in_flight=1))
    monkeypatch.setattr(served.Served, "respond", lambda *_: 1 / 0)
    assert [asyncio.run(ask(app, [RAW]))[0] for _ in range(3)] == [500] * 3
    assert [asyncio.run(ask(app, [b"{"]))[0] for _ in range(3)] == [400] * 3


def test_a_slow_client_holds_no_place(folder: Path) -> None:
    app = create_app(serving(folder, max_in_flight=1, body_seconds=0.3))

    async def both() -> tuple[Any, list[Any]]:
        slow = asyncio.create_task(ask(app, [RAW[:5], RAW[5:9]], wait=0.2))
        await asyncio.sleep(0.05)
        quick = [await ask(app, [RAW]) for _ in range(3)]
        assert not slow.done()
        return await slow, quick

    slow, quick = asyncio.run(both())
    assert [status for status, _, _ in quick] == [200] * 3
    assert (slow[0], slow[1][b"connection"]) == (408, b"close")
    assert slow[2] == {"detail": "the body did not arrive within 0.3 s: send it faster, or less of it"}


def test_many_slow_bodies_together_have_a_limit(folder: Path) -> None:
    app = create_app(serving(folder, max_body_bytes=1000, max_in_flight=2, body_seconds=30))

    async def all_at_once() -> list[int]:
        chunks = [b" " * 900, b" " * 50]
        return [answer[0] for answer in await asyncio.gather(*(ask(app, chunks, wait=0.2) for _ in range(5)))]

    assert sorted(asyncio.run(all_at_once()))[-3:] == [503] * 3
    assert asyncio.run(ask(app, [b"{}"]))[0] == 422  # the room is given back


def test_a_length_beyond_the_limit_is_refused_before_the_body(folder: Path) -> None:
    app = create_app(serving(folder, body_seconds=60))
    status, _, _ = asyncio.run(asyncio.wait_for(ask(app, [RAW], wait=30, length=10**12), timeout=20))
    assert status == 413


def test_a_client_that_leaves(folder: Path, records: list[dict[str, Any]]) -> None:
    app = create_app(serving(folder))
    assert asyncio.run(ask(app, []))[0] == 0
    assert access(records)[-1]["status"] == gate.GONE


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
    assert sample(client(folder), "serving_rows_total") == 0  # each application counts for itself


def test_inference_goes_where_warm_up_says(folder: Path) -> None:
    inline, pool = (client(folder, inline_ms=ms) for ms in (1000.0, 0.0))
    one, many = ({"records": ROWS[:1] * count} for count in (1, 900))
    answers = [[asked.post("/predict", json=body).json() for body in (one, many)] for asked in (inline, pool)]
    assert answers[0] == answers[1]
    assert inline.get("/model").json()["inference"]["where"] == "event loop"
    described = pool.get("/model").json()["inference"]
    assert (described["where"], described["inline_bytes"], described["inline_rows"]) == ("pool", 0, 0)
    assert described["one_row_ms"] > 0
    assert sample(pool, "serving_inference_seconds_count", where="pool") == 2
    app = create_app(serving(folder, inline_ms=1000.0))
    took = app.served.placement.one_row_ms
    assert took is not None
    near = create_app(serving(folder, inline_ms=20 * took)).served.placement
    assert near.where == "event loop"
    assert 0 < near.inline_rows < 900  # 900 rows of this body go to the pool


def added(columns: Any, predictions: Any) -> dict[str, list[Any]]:
    return {
        "affordable": [price < 60 for price in predictions["price_prediction"]],
        "seen": [f"{key}:{age}" for key, age in zip(columns["id"], columns["age"], strict=True)],
    }


FIELDS: dict[str, dict[str, Any]] = {"affordable": {"type": "boolean"}, "seen": {"type": "string"}}


def test_rules_add_fields(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = client(folder).post("/predict", json={"records": ROWS}).json()["predictions"]
    monkeypatch.setattr(rules, "FIELDS", FIELDS)
    monkeypatch.setattr(rules, "add", added)
    asked = client(folder)
    rows = asked.post("/predict", json={"records": ROWS}).json()["predictions"]
    assert rows == [
        row | {"affordable": row["price_prediction"] < 60, "seen": f"{row['id']}:{float(sent['age'])}"}
        for row, sent in zip(plain, ROWS, strict=True)
    ]
    columns = asked.post("/predict", json={"columns": {"age": [1, 2]}}).json()["predictions"]
    assert columns["seen"] == ["None:1.0", "None:2.0"]
    answer = asked.get("/openapi.json").json()["paths"]["/predict"]["post"]["responses"]["200"]
    schema = answer["content"]["application/json"]["schema"]["anyOf"][0]["properties"]["predictions"]["items"]
    assert schema["properties"]["affordable"] == {"type": "boolean"}
    assert {"affordable", "seen"} <= set(schema["required"])


def meddling(columns: Any, predictions: Any) -> dict[str, list[Any]]:
    predictions["price_prediction"][:] = [0.0] * len(predictions["price_prediction"])
    columns["id"][:] = ["x"] * len(columns["id"])
    return {"affordable": [True] * len(columns["id"])}


def test_rules_can_change_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = client(folder).post("/predict", json={"records": ROWS}).json()["predictions"]
    monkeypatch.setattr(rules, "FIELDS", {"affordable": {}})
    monkeypatch.setattr(rules, "add", meddling)
    got = client(folder).post("/predict", json={"records": ROWS}).json()["predictions"]
    assert got == [row | {"affordable": True} for row in plain]


@pytest.mark.parametrize(
    ("fields", "add", "message"),
    [
        ({"price_prediction": {}}, added, "the field 'price_prediction' is there already"),
        ({"id": {}}, added, "the field 'id' is there already"),
        ({"x": {}}, added, "add gives the fields ['affordable', 'seen'], FIELDS declares ['x']"),
        ({"x": {}}, lambda *_: {"x": [1]}, "ValueError on 5 golden rows: the field 'x' has 1 values for 5 rows"),
        ({"x": {}}, lambda *_: {"x": [1] * 5}, "ValueError on 1 golden rows: the field 'x' has 5 values for 1 rows"),
        ({"x": {}}, lambda c, _: {"x": [{1} for _ in c["id"]]}, "Type is not JSON serializable: set"),
        ({"x": {}}, lambda c, _: {"x": c["no such"]}, "KeyError on 5 golden rows: 'no such'"),
    ],
)
def test_rules_that_do_not_keep_their_word(
    folder: Path, monkeypatch: pytest.MonkeyPatch, fields: Any, add: Any, message: str
) -> None:
    monkeypatch.setattr(rules, "FIELDS", fields)
    monkeypatch.setattr(rules, "add", add)
    with pytest.raises(UserError, match=r"^deployment/api/rules\.py: ") as caught:
        create_app(serving(folder))
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_draining(folder: Path) -> None:
    app = create_app(serving(folder))
    asked = TestClient(app)
    app.state.draining = True
    response = asked.get("/health/ready")
    assert (response.status_code, response.json()["detail"]) == (503, "this server is about to end: ask another one")
    for response in (asked.get("/health/live"), asked.post("/predict", json=BODY)):
        assert (response.status_code, response.headers["connection"]) == (200, "close")
