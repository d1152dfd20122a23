"""A version's history: what was killed before it was made is replaced, and what was made stays."""

import json
import os

import pytest

from {{ cookiecutter.project_slug }}.integrations.mlflow_history import extended, is_fact
from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry
from {{ cookiecutter.project_slug }}.ports import Mover, Version

CI = Mover("CI")
STAGED = {"alias": "staging", "by": "CI", "before": "1", "at": "2026-01-01T10:00:00+00:00"}


def tags(*moves) -> dict[str, str]:
    return {"history": json.dumps(moves)}


def count(holder, before: str = "1", made=STAGED) -> int:
    return len(json.loads(extended("2", tags(made), "staging", CI, {"before": before}, holder)))


def test_a_move_that_was_killed_is_told_once():
    assert count({}) == 1
    taken_earlier = STAGED | {"before": "2", "at": "2026-01-01T09:00:00+00:00"}
    assert count(tags(taken_earlier)) == 1
    from_another = STAGED | {"before": "7", "at": "2026-01-01T11:00:00+00:00"}
    assert count(tags(from_another)) == 1


def test_a_move_that_is_made_again_after_another_is_told_twice():
    assert count(tags(STAGED | {"before": "2", "at": "2026-01-01T11:00:00+00:00"})) == 2
    assert count({}, "2", STAGED | {"before": "2"}) == 2  # it holds the alias


def test_only_what_was_made_is_a_fact():
    holder, other = Version("m", "2", None, ("staging",), tags(STAGED)), Version("m", "1", None, (), {})
    assert is_fact(STAGED, holder, [holder, other])
    assert not is_fact(STAGED, Version("m", "3", None, (), tags(STAGED)), [holder, other])
    assert is_fact(STAGED | {"before": None}, other, [holder, other])  # version 2 has taken it since
    assert not is_fact({"alias": "staging", "removed": True}, holder, [holder])
    assert is_fact({"alias": "staging", "removed": True}, other, [holder])


@pytest.mark.parametrize("before", [None, "60"])
def test_requests_of_a_turn_end_within_its_lease(monkeypatch, before):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT", raising=False)
    if before:
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", before)

    def limits():
        return os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"], os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT")

    for address, within in (("https://mlflow.example.org", ("0", "3")), ("sqlite:///mlflow.db", ("3", before))):
        with MlflowRegistry(address).guarded(lambda: None, 3.0):
            assert limits() == within
        assert limits() == ("3", before)
