"""Requests as the API reads them, before the engine sees them: forms, aliases, gaps, and what the docs page says."""

import json
from typing import Any

import pytest

from {{ cookiecutter.project_slug }}.inference.wire import InputError
from {{ cookiecutter.project_slug }}.schemas.contract import Column, Contract, Entity, Source, Target

from deployment.api import cells, docs
from deployment.api.bodies import Bodies
from deployment.api.exchange import RefusedRequestError
from deployment.api.refusals import MalformedError

TARGET = Target(name="y", kind="regression", deviation=1.0)


def bodies(*columns: Column) -> Bodies:
    return Bodies(Contract(name="m", columns=columns, targets=(TARGET,)), max_rows=4)


def read(reader: Bodies, body: Any) -> Any:
    return reader.read(json.dumps(body).encode())


def test_records_and_columns_are_the_same_rows() -> None:
    reader = bodies(
        Column(name="a", kind="number", missing=False),
        Column(name="b", kind="category"),
        Column(name="w", kind="integer", width=2),
        Column(name="k", kind="category", role="key"),
    )
    records = read(reader, {"records": [{"a": 1, "k": 7}, {"a": 2.5, "b": "x", "w": [1, None]}]})
    columns = read(reader, {"columns": {"k": [7, None], "w": [None, [1, None]], "a": [1, 2.5], "b": [None, "x"]}})
    assert records.columns == columns.columns == {"a": [1.0, 2.5], "b": [None, "x"], "w": [[None, None], [1, None]]}
    assert records.keys == columns.keys == {"k": [7, None]}
    assert (records.count, records.by_column, columns.count, columns.by_column) == (2, False, 2, True)


def test_keys_that_nobody_names_are_not_answered() -> None:
    reader = bodies(Column(name="a", kind="number"), Column(name="k", kind="category", role="key"))
    assert read(reader, {"records": [{"a": 1}]}).keys == {}
    assert read(reader, {"columns": {"a": [1]}}).keys == {}


def test_a_table_of_optional_columns_may_lack_all_of_them() -> None:
    reader = bodies(Column(name="a", kind="number"))
    assert read(reader, {"records": [{}, {}]}).columns == {"a": [None, None]}
    assert read(reader, {"columns": {}}).count == 0


@pytest.mark.parametrize("body", [{"records": [*[{"a": 1}] * 4, "odd"]}, {"columns": {"a": [1, 1, 1, 1, "odd"]}}])
def test_more_rows_than_allowed_are_not_looked_at(body: Any) -> None:
    reader = bodies(Column(name="a", kind="number"), Column(name="w", kind="number", width=2))
    with pytest.raises(RefusedRequestError, match="the request has 5 rows, 4 are allowed") as caught:
        read(reader, body)
    assert (caught.value.status, caught.value.reason) == (413, "rows")
    with pytest.raises(InputError, match="column 'w' must be a list of 2 values"):  # too long, but not in rows
        read(reader, {"columns": {"w": [[1, 2, 3]]}})


@pytest.mark.parametrize(
    "name",
    ["a b", "a.b", "größe", 'say "x"', "it's", "1", "_private", "model_config", "model_fields_set", "schema", "copy",
     "__class__", "records", "class", "c0", "☂", "a\\b", "a\nb", "c1"],
)  # fmt: skip
def test_any_name_will_do(name: str) -> None:
    reader = bodies(Column(name="other", kind="number"), Column(name=name, kind="number", missing=False))
    assert read(reader, {"records": [{name: 2}]}).columns == {"other": [None], name: [2.0]}
    assert read(reader, {"columns": {name: [2]}}).columns == {"other": [None], name: [2.0]}
    with pytest.raises(InputError) as caught:
        read(reader, {"records": [{name: "2"}]})
    assert str(caught.value) == f"column {name!r} must be a finite number, row 0 holds '2'"
    assert list(reader.record.model_json_schema()["properties"]) == ["other", name]


def test_the_position_of_a_field_is_not_its_name() -> None:
    with pytest.raises(InputError, match="unknown column 'c0' in row 0"):
        read(bodies(Column(name="a", kind="number")), {"records": [{"c0": 1}]})


@pytest.mark.parametrize(
    ("kind", "cell", "read_as"),
    [
        ("number", 3, 3.0),
        ("number", 2**53 + 2, float(2**53 + 2)),
        ("integer", 3, 3),
        ("integer", 3.0, 3.0),
        ("integer", float("nan"), None),
        ("boolean", True, True),
        ("boolean", float("nan"), None),
        ("time", "2020-01-01", "2020-01-01"),
        ("time", 1.5e9, 1.5e9),
        ("category", "x", "x"),
        ("category", 5, 5),
        ("category", 5.0, 5.0),
        ("category", True, True),
        ("category", float("nan"), None),
    ],
)
def test_cells_that_fit(kind: Any, cell: object, read_as: object) -> None:
    (got,) = read(bodies(Column(name="x", kind=kind)), {"records": [{"x": cell}]}).columns["x"]
    same = got == read_as or (read_as is None and got != got)
    assert same
    assert type(got) is type(read_as) or got != got


@pytest.mark.parametrize("raw", [b"", b"{", b"nonsense", b'{"records": [}', b'"\xff"', b'"\\ud800"', b"[" * 10_000])
def test_what_is_not_json(raw: bytes) -> None:
    with pytest.raises(MalformedError, match=r"^the body is not JSON: .+ at line 1 column \d+$"):
        bodies(Column(name="a", kind="number")).read(raw)


def test_a_value_is_shown_in_a_few_characters() -> None:
    with pytest.raises(InputError) as caught:
        read(bodies(Column(name="a", kind="number")), {"records": [{"a": "long " * 1000}]})
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (Column(name="x", kind="number", unit="m", range=(0.5, 2.0), missing=False),
         "a finite number, in m; 0.5 to 2.0 in training."),
        (Column(name="x", kind="integer", range=(1.0, 12.0)), "an integer; 1 to 12 in training; may be missing."),
        (Column(name="x", kind="boolean", range=(0.0, 1.0), missing=False), "true or false."),
        (Column(name="x", kind="time", range=(0.0, 86400.5), missing=False),
         "an ISO 8601 time or seconds since 1970 (UTC); "
         "1970-01-01T00:00:00Z to 1970-01-02T00:00:00.500000Z in training."),
        (Column(name="x", kind="category", categories=tuple("abcdefghijkl"), missing=False),
         "text, an integer, true or false; in training: a, b, c, d, e, f, g, h, i, j, ...."),
        (Column(name="x", kind="number", width=3, missing=False), "a list of 3 values, each a finite number."),
        (Column(name="x", kind="number", missing=False,
                source=Source(table="cells", entity=(Entity(column="lat"), Entity(column="lon")), time="at")),
         "a finite number; comes from the feature table cells, by lat and lon as of at: the client supplies it."),
        (Column(name="x", kind="category", role="key"),
         "Identifies the row; comes back with its prediction as it was sent."),
    ],
)  # fmt: skip
def test_descriptions(column: Column, text: str) -> None:
    assert bodies(column).record.model_json_schema()["properties"]["x"]["description"] == text


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        (Column(name="x", kind="number", typical=1.5), 1.5),
        (Column(name="x", kind="integer", typical=4.0), 4),
        (Column(name="x", kind="boolean", typical=1.0), True),
        (Column(name="x", kind="time", typical=1.6e9), "2020-09-13T12:26:40Z"),
        (Column(name="x", kind="time", typical=1e15), 1e15),
        (Column(name="x", kind="category", typical="5"), "5"),
        (Column(name="x", kind="number", width=2, typical=1.5), [1.5, 1.5]),
        (Column(name="x", kind="number"), None),
        (Column(name="x", kind="category", missing=False), "a"),
        (Column(name="x", kind="boolean", width=2, missing=False), [False, False]),
        (Column(name="x", kind="category", role="key"), "a-1"),
    ],
)
def test_examples(column: Column, cell: object) -> None:
    got = cells.example(column)
    assert (got, type(got)) == (cell, type(cell))
    contract = Contract(name="m", columns=(column,), targets=(TARGET,))
    assert docs.example(contract) == {"records": [{"x": cell}]}
    assert read(Bodies(contract, max_rows=4), docs.example(contract)).count == 1
