"""What `schema` makes of the target: task, classes, and tables that it cannot take."""

import numpy as np
import pyarrow as pa
import pytest

from {{ cookiecutter.project_slug }}.data.inspection import inspect
from {{ cookiecutter.project_slug }}.ports import UserError

from tests.project import ROOT
from tests.tables_of_users import ROWS, inspected, limits, numbers

PICKED = np.random.default_rng(3).integers(0, 1000, ROWS)
DAYS = np.datetime64("2020-01-01") + PICKED


@pytest.fixture(autouse=True)
def in_root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize(
    ("cells", "task", "kind", "look"),
    [
        (numbers(), "regression", "number", ""),
        (PICKED, "regression", "integer", ""),
        (PICKED % 2, "classification", "integer", ""),
        (PICKED % 5, "classification", "integer", "task=regression takes them for a quantity"),
        ((PICKED % 5) / 4, "regression", "number", "task=classification takes them for classes"),
        ([["no", "yes"][v % 2] for v in PICKED], "classification", "category", ""),
        ([f"{v % 5} stars" for v in PICKED], "classification", "category", ""),
        ([["TRUE", "false"][v % 2] for v in PICKED], "classification", "boolean", ""),
        ([f"0{v % 4}" for v in PICKED], "classification", "category", ""),
        ([f"{v}.5" if v % 8 else "?" for v in PICKED], "regression", "number", ""),
    ],
)
def test_the_target(cells, task, kind, look):
    found = inspected({"y": list(cells)}).target
    assert (found.task, found.column.kind) == (task, kind)
    assert look in found.column.look
    assert bool(look) == bool(found.column.look)


def test_blanks_around_a_label_make_another_class():
    found = inspected({"y": [["yes", "no", "yes ", "no"][v % 4] for v in PICKED]}).target
    assert set(found.classes) == {"yes", "no", "yes "}
    assert "'yes ' and 'yes' are two classes: take the blanks out of the table" in found.column.look


def test_blank_labels_are_gaps():
    found = inspected({"y": [["yes", "no", "  "][v % 3] for v in PICKED]})
    assert set(found.target.classes) == {"yes", "no"}
    assert found.trainable == sum(v % 3 != 2 for v in PICKED)


def test_task_overrules():
    found = inspected({"y": PICKED % 5}, task="regression").target
    assert (found.task, found.column.kind, found.column.look) == ("regression", "integer", "")
    found = inspected({"y": (PICKED % 5) / 4}, task="classification").target
    assert (found.task, found.column.kind) == ("classification", "category")


def test_a_class_of_few_rows_is_warned_of():
    found = inspected({"y": ["rare"] * 3 + ["a", "b"] * 200}).target
    assert found.column.look.startswith("class 'rare' has 3 rows: a side of the split may be without it")


@pytest.mark.parametrize(
    ("cells", "overrides", "message"),
    [
        (["1"] * ROWS, {}, "the target 'y' holds '1' in every row: there is nothing to learn"),
        ([""] * ROWS, {}, "the target 'y' has a value in 0 of 400 rows: it takes 50 (least_rows)"),
        (["1", "2"] * 10, {}, "the target 'y' has a value in 20 of 20 rows: it takes 50 (least_rows)"),
        (DAYS, {}, "the target 'y' holds times: predict a number, such as the days until then, or a class"),
        ([f"{v},5" for v in PICKED], {}, f"the target 'y' holds numbers with a decimal comma, as '{PICKED[0]},5' (row 0): write a point and no more"),
        ([f"n{v}" for v in range(ROWS)], {}, "the target 'y' has 400 different values in 400 rows, too many for classes: name another target, or group them"),
        (numbers(), {"task": "classification"}, "the target 'y' has 400 different values in 400 rows, too many for classes: set task=regression"),
        (["a", "b"] * 200, {"task": "regression"}, "the target 'y' holds 'a' in row 0, which is no number: name another target"),
        (["1.5", "2.5", "3", "odd", "even"] * 80, {}, "the target 'y' holds 'odd' in row 3, which is no number: mend it, or set task=classification"),
    ],
)  # fmt: skip
def test_a_target_that_cannot_be_one(cells, overrides, message):
    with pytest.raises(UserError) as caught:
        inspected({"y": list(cells)}, **overrides)
    assert str(caught.value) == message


def test_a_target_that_is_absent():
    with pytest.raises(UserError, match=r"^own\.csv has no column 'prize'; did you mean 'price'\?$"):
        inspected({"price": numbers()}, target="prize")
    with pytest.raises(UserError, match=r"^own\.csv has no column 'wombat'; it has 'x', 'price', 'y'$"):
        inspected({"price": numbers()}, target="wombat")


def test_a_table_without_inputs():
    with pytest.raises(UserError, match=r"has no column that could be an input: 'c': holds 'a' in all 400 rows$"):
        inspect(pa.table({"c": ["a"] * ROWS, "y": [str(v) for v in numbers()]}), limits())
    with pytest.raises(UserError, match=r"^own\.csv has one column, 'y': nothing is left to predict it from$"):
        inspect(pa.table({"y": [str(v) for v in numbers()]}), limits())
