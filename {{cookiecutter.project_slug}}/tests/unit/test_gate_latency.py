"""The gate on cost, with engines that are made slow or large: nothing here depends on the machine's speed."""

import time
from dataclasses import replace

import pytest

from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.inference.wire import InputError
from {{ cookiecutter.project_slug }}.promotion import latency
from {{ cookiecutter.project_slug }}.promotion.case import Incumbent
from {{ cookiecutter.project_slug }}.promotion.latency import MEBIBYTE, LatencyGate

from tests.candidates import case, records, version, write_candidate

GATE = LatencyGate(
    tolerance=0.5,
    row_slack_ms=1000,
    batch_slack_ms=1000,
    slack_mib=1000,
    ceiling_ms=None,
    ceiling_mib=None,
    batch=300,
    rounds=3,
    seconds=5,
)


class Slow(Engine):
    """Takes its time for every answer, or for every batch."""

    row = batch = 0.0

    def run(self, columns):
        time.sleep(self.row if len(columns["age"]) == 1 else self.batch)
        return super().run(columns)


def slow(folder, **seconds: float) -> Slow:
    engine = Slow(folder)
    vars(engine).update(seconds)
    return engine


@pytest.fixture
def asked(tmp_path):
    return case(write_candidate(tmp_path / "b"), write_candidate(tmp_path / "a"))


def test_as_fast_as_the_incumbent(asked):
    verdict = GATE.check(asked)
    assert verdict.passed
    assert {name: set(figures) for name, figures in verdict.figures.items()} == {
        name: {"candidate", "incumbent"} for name in ("row_ms", "batch_ms", "mib")
    }
    assert verdict.figures["row_ms"]["candidate"] > 0
    assert verdict.reason.startswith("one row ")
    assert " against " in verdict.reason


@pytest.mark.parametrize(
    ("what", "seconds", "message"),
    [
        ("row_slack_ms", {"row": 0.02}, "costs too much: one row 2"),
        ("batch_slack_ms", {"batch": 0.1}, "costs too much: 300 rows 1"),
    ],
)
def test_what_is_slower_by_share_and_slack_is_refused(asked, what, seconds, message):
    candidate = replace(asked, candidate=slow(asked.candidate.folder, **seconds))
    verdict = replace(GATE, **{what: 5}).check(candidate)
    assert not verdict.passed
    assert verdict.reason.startswith(message)
    assert "ms (allowed: 50% and 5 ms more); train a smaller model, or" in verdict.reason
    assert GATE.check(candidate).passed  # within the slack
    assert replace(GATE, **{what: 5}, tolerance=1e6).check(candidate).passed  # within the share
    as_slow = replace(candidate, incumbent=Incumbent(version("1"), slow(asked.incumbent.engine.folder, **seconds)))
    assert replace(GATE, **{what: 5}).check(as_slow).passed


def test_memory_is_compared_too(asked, monkeypatch):
    sizes = iter([100, 400, 400, 500])  # of the process: before and after the candidate, and the incumbent
    monkeypatch.setattr(latency, "resident", lambda: next(sizes) * MEBIBYTE)
    verdict = replace(GATE, slack_mib=150).check(asked)
    assert not verdict.passed
    assert verdict.figures["mib"] == {"candidate": 300, "incumbent": 100}
    assert "memory 300 against 100 MiB (allowed: 50% and 150 MiB more)" in verdict.reason


def test_memory_that_was_given_back_is_none(asked, monkeypatch):
    sizes = iter([500, 400, 400, 500])
    monkeypatch.setattr(latency, "resident", lambda: next(sizes) * MEBIBYTE)
    assert GATE.check(asked).figures["mib"] == {"candidate": 0, "incumbent": 100}


def test_an_engine_that_is_kept_lies_in_memory():
    before = latency.resident()
    kept = bytearray(64 * MEBIBYTE)
    kept[::4096] = b"x" * len(kept[::4096])
    assert latency.resident() - before > 32 * MEBIBYTE


@pytest.mark.parametrize(("ceiling", "told"), [("ceiling_ms", "one row 2"), ("ceiling_mib", "memory ")])
def test_a_ceiling_needs_no_incumbent(asked, monkeypatch, ceiling, told):
    sizes = iter([100, 400, 400, 800])
    monkeypatch.setattr(latency, "resident", lambda: next(sizes) * MEBIBYTE)
    alone = replace(asked, incumbent=None, candidate=slow(asked.candidate.folder, row=0.02))
    verdict = GATE.check(alone)
    assert verdict.passed
    assert verdict.reason.endswith("; the first to ask")
    verdict = replace(GATE, **{ceiling: 10}).check(alone)
    assert not verdict.passed
    assert verdict.reason.startswith(f"costs too much: {told}")
    assert " (allowed: 10); the first to ask; train a smaller model" in verdict.reason


def test_an_incumbent_that_does_not_load_is_named(asked):
    verdict = GATE.check(replace(asked, incumbent=Incumbent(version("1"), None, "model.onnx is absent")))
    assert verdict.passed
    assert verdict.reason.endswith("; version 1 does not load")


def test_an_incumbent_that_cannot_run_on_these_rows_is_named(asked, monkeypatch):
    def lacks(columns, misfits):
        raise InputError("missing column: 'floor'")

    monkeypatch.setattr(asked.incumbent.engine, "encode", lacks)
    verdict = GATE.check(asked)
    assert verdict.passed
    assert verdict.reason.endswith("; version 1 cannot run (missing column: 'floor')")


def test_rows_that_the_incumbent_refuses_are_left_out(tmp_path):
    rows = [row | {"income": None if number < 20 else row["income"]} for number, row in enumerate(records(50))]
    before = write_candidate(tmp_path / "a", missing={"income": False})
    assert GATE.check(case(write_candidate(tmp_path / "b", rows=rows), before)).passed
    none = write_candidate(tmp_path / "c", rows=[row | {"income": None} for row in records(5)])
    verdict = GATE.check(case(none, before))
    assert not verdict.passed
    assert verdict.reason == "nothing to measure with: version 1 answers none of the rows"


def test_no_rows_measure_nothing(tmp_path):
    verdict = GATE.check(case(write_candidate(tmp_path / "b", rows=records(1), keep=0)))
    assert (verdict.passed, verdict.reason) == (False, "nothing to measure with: there are no held-out rows")


def test_time_is_not_spent_without_end(asked):
    begin = time.perf_counter()
    candidate = slow(asked.candidate.folder, row=0.01, batch=0.01)
    replace(GATE, rounds=10_000, seconds=0.05).check(replace(asked, candidate=candidate))
    assert time.perf_counter() - begin < 30
