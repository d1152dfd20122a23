"""The form: fields from the contract, cells from what was entered, refusals at their fields."""

from typing import Any

import pytest

from {{ cookiecutter.project_slug }}.schemas.contract import Column, Contract, Target

from deployment.dashboards import form
from deployment.dashboards.form import Field
from tests.servables import CITY, COLUMNS

CONTRACT = Contract(
    name="house", columns=COLUMNS, targets=(Target(name="price", kind="regression", deviation=1.0, unit="k$"),)
)
FIELDS = {field.name: field for field in form.fields(CONTRACT)}


def test_a_field_per_column_keys_first() -> None:
    described = {name: (field.label, field.widget, field.choices) for name, field in FIELDS.items()}
    assert described == {
        "id": ("id", "text", []),
        "age": ("age (years) *", "number", []),
        "rooms per house": ("rooms per house", "number", []),
        "is.new": ("is.new", "choice", ["true", "false"]),
        "seen at": ("seen at", "text", []),
        CITY: (CITY, "open choice", ["süd", "nord", "5", "true"]),
        "history": ("history (°C)", "text", []),
        "income": ("income ($)", "number", []),
    }
    assert next(iter(FIELDS)) == "id"


def test_hints_and_typical_values() -> None:
    assert {name: field.hint for name, field in FIELDS.items()} == {
        "id": "Identifies the row; optional",
        "age": "18 to 90 in training",
        "rooms per house": "1 to 12 in training",
        "is.new": "",
        "seen at": "2017-07-14 to 2023-11-14 in training",
        CITY: "One of these, or any other text",
        "history": "3 values, separated by commas, the oldest first; -20 to 40 in training",
        "income": "From the feature table cells",
    }
    many = Field(Column(name="town", kind="category", categories=tuple("abcdefghij")))
    assert many.notes == "In training a, b, c, d, e, f, g, h and 2 more; any other text is taken"
    assert {name: field.typical for name, field in FIELDS.items()} == {
        "id": None, "age": 41.5, "rooms per house": 4, "is.new": "true", "seen at": "2020-09-13T12:26:40Z",
        CITY: "süd", "history": "1.5, 1.5, 1.5", "income": 2.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "entered", "cell"),
    [
        ("age", 30.25, 30.25),
        ("age", "1e2", 100.0),
        ("age", "old", "old"),  # the service says what is wrong with it
        ("age", "inf", "inf"),
        ("age", None, None),
        ("age", "  ", None),
        ("rooms per house", 3.0, 3),
        ("rooms per house", 3.5, 3.5),
        ("rooms per house", "12", 12),
        ("is.new", "true", True),
        ("is.new", "FALSE", False),
        ("is.new", "perhaps", "perhaps"),
        ("seen at", " 2020-01-01 ", "2020-01-01"),
        ("seen at", "1600000000", "1600000000"),
        (CITY, "true", "true"),
        (CITY, "<b>☂</b>, 1", "<b>☂</b>, 1"),
        ("history", "1, ,x", [1.0, None, "x"]),
        ("history", ",,", [None, None, None]),
        ("id", "007", "007"),
    ],
)
def test_cells(name: str, entered: Any, cell: Any) -> None:
    got = FIELDS[name].cell(entered)
    assert got == cell
    assert type(got) is type(cell)


def test_wide_columns_of_every_kind() -> None:
    cells = [
        Field(Column(name="w", kind=kind, width=2)).cell(text)
        for kind, text in (("integer", "1,2.0"), ("boolean", "true,no"), ("category", "a, b"), ("time", "2020-01-01,"))
    ]
    assert cells == [[1, 2], [True, "no"], ["a", "b"], ["2020-01-01", None]]


def test_without_what_training_saw() -> None:
    bare = [Field(Column(name="x", kind=kind)) for kind in ("number", "integer", "boolean", "time", "category")]
    assert [field.typical for field in bare] == [None] * 5
    assert [field.hint for field in bare] == ["", "", "", "ISO 8601, UTC where no zone is named", "Any text"]


def test_a_record_has_every_input_and_the_keys_that_were_entered() -> None:
    record = form.record(list(FIELDS.values()), {"age": 30.0, CITY: "süd"})
    assert record == {"age": 30.0, CITY: "süd"} | dict.fromkeys(
        ["rooms per house", "is.new", "seen at", "history", "income"]
    )
    assert form.record(list(FIELDS.values()), {"id": "a-1"})["id"] == "a-1"


@pytest.mark.parametrize(
    ("detail", "name", "text"),
    [
        ("column 'age' may not be missing, row 0 holds null", "age", "column 'age' may not be missing"),
        ("column 'age' may not be missing, the body lacks it", "age", "column 'age' may not be missing"),
        (
            "column 'rooms per house' must be an integer, row 0 holds 3.5",
            "rooms per house",
            "column 'rooms per house' must be an integer, not 3.5",
        ),
        (f"column {CITY!r} must be text, row 0 holds 1.5", CITY, f"column {CITY!r} must be text, not 1.5"),
        ("the request has 2 rows, 1 are allowed", None, "the request has 2 rows, 1 are allowed"),
        ("column 'agent' is odd", None, "column 'agent' is odd"),
    ],
)
def test_a_refusal_finds_its_field(detail: str, name: str | None, text: str) -> None:
    assert form.problem(list(FIELDS.values()), detail) == (name, text)
