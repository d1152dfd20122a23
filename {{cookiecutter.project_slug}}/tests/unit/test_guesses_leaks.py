"""Columns that give the target away, which `schema` leaves out, and columns that only look like it."""

import numpy as np
import pytest

from tests.project import ROOT
from tests.tables_of_users import ROWS, inspected, numbers

PICKED = np.random.default_rng(3).integers(0, 1000, ROWS)


@pytest.fixture(autouse=True)
def in_root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (lambda y: y, "a leak: equal to the target"),
        (lambda y: np.exp(-y), "a leak: a monotone function of the target (rank correlation 1.00000)"),
        (lambda y: [f"b{round(v * 9)}" for v in y], "a leak: alone explains 99."),
    ],
)
def test_a_column_that_gives_a_number_away(cells, reason):
    y = numbers(4000)
    found = inspected({"c": cells(y), "y": y}).columns[1]
    assert (found.role, found.why.startswith(reason)) == ("ignored", True), found.why
    assert "known before the target" in found.look


def test_a_column_of_which_the_target_is_any_function():
    c = numbers(4000)
    found = inspected({"c": c, "y": np.sin(3 * c)}).columns[1]
    assert found.why.startswith("a leak: alone explains 99.")


@pytest.mark.parametrize("noise", [0.15, 0.5])
def test_a_column_that_is_only_related_stays(noise):
    y = numbers(4000)
    found = inspected({"c": y + noise * numbers(4000, seed=5), "y": y}).columns[1]
    assert found.role == "feature"


def test_a_column_that_gives_a_class_away():
    y = PICKED % 3
    found = inspected({"score": y * 1000 + PICKED % 500, "name": [f"n{v}" for v in y], "half": y == 0, "y": y})
    reasons = {c.name: (c.role, c.why) for c in found.columns}
    assert reasons["score"] == ("ignored", "a leak: alone predicts 99.50% of the classes")
    assert reasons["name"] == ("ignored", "a leak: alone predicts 100.00% of the classes")
    assert reasons["half"][0] == "feature"


def test_a_group_of_equal_rows_is_no_leak():
    """A tree remembers the weight of a person who is there ten times; that says nothing of another person."""
    person = np.repeat(np.arange(200), 10)
    y, weight = numbers(200)[person], numbers(200, seed=8)[person]
    assert inspected({"weight": weight, "y": y}).columns[1].role == "feature"


@pytest.mark.parametrize(
    ("filled", "reason"),
    [
        (lambda has: ~has, "missing exactly when the target has a value"),
        (lambda has: has, "missing exactly when the target is"),
    ],
)
def test_gaps_that_give_the_target_away(filled, reason):
    has = PICKED % 3 > 0
    cells = [v if known else "" for v, known in zip(numbers(), filled(has), strict=True)]
    y = [v if known else "" for v, known in zip(numbers(seed=2), has, strict=True)]
    found = inspected({"c": cells, "y": y})
    assert found.columns[1].why == f"a leak: {reason}"
    assert (found.rows, found.trainable) == (ROWS, int(has.sum()))
