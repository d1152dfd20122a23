"""Many requests and slow ones: who gets a place, who is refused, where inference runs."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from deployment.api import gate, served
from deployment.api.app import create_app
from tests.clients import RAW, access, ask, client, sample
from tests.servables import ROWS, serving


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


def test_a_client_that_leaves(folder: Path, records: list[dict[str, Any]]) -> None:
    app = create_app(serving(folder))
    assert asyncio.run(ask(app, []))[0] == 0
    assert access(records)[-1]["status"] == gate.GONE


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
