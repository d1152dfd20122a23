"""The gate on quality, on slices of the held-out rows; and the interval that it tells of."""

from dataclasses import replace

import numpy as np
import pytest

from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.promotion.quality import QualityGate
from {{ cookiecutter.project_slug }}.promotion.slices import masks

from tests.candidates import case, records, write_candidate
from tests.servables import CITY

GATE = QualityGate(
    floor=0.1,
    tolerance=0.5,
    rows=50,
    slices={},
    slice_tolerance=0.05,
    slice_rows=30,
    resamples=500,
    confidence=0.95,
)


def gate(name: str = "s", **said: object) -> QualityGate:
    """The gate with a slice of the model `house`; another model's are none of its business."""
    return replace(GATE, slices={"house": {name: said}, "flat": {"other": {"column": "nowhere"}}})


@pytest.fixture(scope="module")
def gaps(tmp_path_factory):
    """A candidate with gaps: 20 rows without income, 10 without a city."""
    rows = [
        row | {"income": None if n < 20 else row["income"], CITY: None if 20 <= n < 30 else row[CITY]}
        for n, row in enumerate(records())
    ]
    return rows, Engine(write_candidate(tmp_path_factory.mktemp("gaps") / "b", rows=rows))


@pytest.mark.parametrize(
    ("said", "belongs"),
    [
        ({"column": CITY, "values": ["süd", "nord"]}, lambda row: row[CITY] in ("süd", "nord")),
        ({"column": CITY, "values": [5, True]}, lambda row: row[CITY] in ("5", "true")),
        ({"column": CITY, "values": [5.0, None]}, lambda row: row[CITY] in ("5", None)),
        ({"column": "rooms per house", "values": [3, 4.0]}, lambda row: row["rooms per house"] in (3, 4)),
        ({"column": "is.new", "values": [True]}, lambda row: row["is.new"]),
        ({"column": "income", "values": [None]}, lambda row: row["income"] is None),
        ({"column": "age", "at_least": 65}, lambda row: row["age"] >= 65),
        ({"column": "age", "below": 65}, lambda row: row["age"] < 65),
        ({"column": "age", "at_least": 30, "below": 40}, lambda row: 30 <= row["age"] < 40),
        ({"column": "income", "at_least": 0}, lambda row: row["income"] is not None),
        ({"column": "id", "values": ["a-1"]}, lambda row: row["id"] == "a-1"),
    ],
)
def test_the_rows_of_a_slice(gaps, said, belongs):
    rows, engine = gaps
    (mask,) = masks({"s": said}, engine).values()
    assert mask.tolist() == [bool(belongs(row)) for row in rows]
    assert mask.any()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            {"column": "town", "values": ["x"]},
            "'town' is not a column of the contract: see promotion's gates.quality.sl",
        ),
        ({"column": "price", "at_least": 1}, "'price' is not a column of the contract"),
        ({"column": "history", "at_least": 1}, "'history' has several values in a row"),
        ({"column": CITY, "at_least": 1}, f"{CITY!r} is a category: it has values, no bounds"),
        ({"column": "age", "values": ["old"]}, "'age' is number, which 'old' is not"),
        ({"column": "age"}, "a slice has either values or bounds (at_least, below, or both)"),
        ({"column": "age", "values": []}, "a slice has either values or bounds"),
        ({"column": "age", "values": [1], "below": 3}, "a slice has either values or bounds"),
        ({"values": [1]}, "column is not set"),
        ({"column": "age", "above": 3}, "above is not a key that is known here"),
    ],
)
def test_a_slice_that_is_none_is_one_line(gaps, said, message):
    with pytest.raises(UserError) as caught:
        masks({"s": said}, gaps[1])
    assert str(caught.value).startswith(f"slice 's': {message}")
    assert len(str(caught.value).splitlines()) == 1


def test_what_is_worse_on_a_slice_alone_is_refused(tmp_path):
    worse = write_candidate(tmp_path / "b", bias=2.5)  # by 12 % of the whole rmse, which half allows
    verdict = gate("old", column="age", at_least=60).check(case(worse, write_candidate(tmp_path / "a")))
    assert not verdict.passed
    assert verdict.reason.startswith("worse than the incumbent: on slice old rmse 5.")
    old = verdict.figures["slices"]["old"]
    assert verdict.reason.endswith(f"% interval {old['low']:+.3g} to {old['high']:+.3g}) on {old['rows']:.0f} rows")
    assert 0 < old["low"] < old["difference"] < old["high"]
    assert old["difference"] == pytest.approx(old["candidate"] - old["incumbent"])


def test_a_slice_that_is_worse_by_chance_passes(tmp_path):
    verdict = replace(gate("old", column="age", at_least=60), slice_tolerance=0.0).check(
        case(write_candidate(tmp_path / "b", bias=0.3), write_candidate(tmp_path / "a"))
    )
    old = verdict.figures["slices"]["old"]
    assert verdict.passed
    assert old["low"] < 0 < old["difference"]


def test_a_slice_is_allowed_its_tolerance(tmp_path):
    asked = case(write_candidate(tmp_path / "b", bias=2.5), write_candidate(tmp_path / "a"))
    assert replace(gate("old", column="age", at_least=60), slice_tolerance=0.5).check(asked).passed


def test_over_all_rows_the_estimate_decides(tmp_path):
    """60 rows cannot tell the two apart, and the worse one is refused all the same."""
    rows = records(60)
    worse = write_candidate(tmp_path / "b", rows=rows, bias=1.0)
    verdict = replace(GATE, tolerance=0.0).check(case(worse, write_candidate(tmp_path / "a", rows=rows)))
    assert verdict.figures["low"] < 0 < verdict.figures["difference"]
    assert not verdict.passed


def test_a_small_slice_is_said_to_be_and_not_judged(tmp_path):
    asked = case(write_candidate(tmp_path / "b", bias=2.5), write_candidate(tmp_path / "a"))
    verdict = gate("few", column="age", at_least=88).check(asked)
    assert verdict.passed
    count = verdict.figures["slices"]["few"]["rows"]
    assert 0 < count < 30
    assert verdict.reason.endswith(f"; slice few is too small to judge ({count:.0f} rows)")
    assert gate("none", column="age", at_least=1e6).check(asked).figures["slices"] == {"none": {"rows": 0.0}}


def test_without_an_incumbent_slices_are_measured(tmp_path):
    verdict = gate("old", column="age", at_least=60).check(case(write_candidate(tmp_path / "b")))
    assert verdict.passed
    assert verdict.figures["candidate"] == pytest.approx(5, rel=0.2)
    assert set(verdict.figures["slices"]["old"]) == {"rows", "candidate"}
    none = gate("none", column="age", at_least=1e6).check(case(write_candidate(tmp_path / "a")))
    assert none.figures["slices"] == {"none": {"rows": 0.0}}


def test_slices_are_of_rows_that_both_answer(tmp_path):
    rows = [row | {"income": None if number < 20 else row["income"]} for number, row in enumerate(records())]
    before = write_candidate(tmp_path / "a", missing={"income": False})
    asked = case(write_candidate(tmp_path / "b", rows=rows), before)
    verdict = replace(gate("all", column="age", at_least=0), slice_rows=1).check(asked)
    assert verdict.figures["slices"]["all"]["rows"] == verdict.figures["common_rows"] == 180
    assert np.isfinite(verdict.figures["slices"]["all"]["difference"])


def test_the_gate_is_repeatable(tmp_path):
    asked = case(write_candidate(tmp_path / "b", bias=0.5), write_candidate(tmp_path / "a"))
    assert GATE.check(asked) == GATE.check(asked)
