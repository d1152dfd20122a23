"""Ten thousand generated tables: each is refused in one line, or answered with what an oracle in plain Python computes."""

import datetime
import decimal
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.inference.wire import Gathered, InputError, encode
from {{ cookiecutter.project_slug }}.schemas.contract import MISSING_TOKENS

from ..generated import JUNK, finite, many, moments, table, words
from ..oracle import BIAS, BY_NAME, NotAllowedError, check_price, may_lack_a_price, meaning, python_cell
from ..servables import CITY, COLUMNS, serving, write_servable
from deployment.api.app import create_app

pytestmark = pytest.mark.slow
GOOD_JSON: dict[str, st.SearchStrategy[Any]] = {
    "age": finite,
    "rooms per house": st.integers(-(2**60), 2**60) | st.sampled_from([3.0, None, math.nan]),
    "is.new": st.booleans() | st.none(),
    "seen at": st.floats(-4e9, 4e9) | moments.map(lambda m: m.isoformat()) | st.sampled_from(["2020-01-01", "2020-02-29T23:59:59.5+01:00", None]),
    CITY: words | st.booleans() | st.integers(-5, 10**20) | st.sampled_from([5.0, None, 1e22]),
    "history": st.lists(finite | st.none(), min_size=3, max_size=3) | st.none(),
    "income": finite | st.none() | st.just(math.nan),
    "id": st.text(max_size=5) | st.integers(-(2**63), 2**63 - 1) | st.none(),
}  # fmt: skip
OPTIONAL = [name for name, column in BY_NAME.items() if column.missing or column.role == "key"]


def as_json(pairs: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in pairs) + "}"


def of_records(rows: list[list[tuple[str, Any]]]) -> str:
    records = [as_json([(name, json.dumps(value)) for name, value in row]) for row in rows]
    return as_json([("records", "[" + ",".join(records) + "]")])


def of_columns(rows: list[list[tuple[str, Any]]]) -> str:
    cells = [(name, json.dumps([dict(row)[name] for row in rows])) for name, _ in rows[0]]
    return as_json([("columns", as_json(cells))])


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from fastapi.testclient import TestClient

    folder = write_servable(tmp_path_factory.mktemp("generated") / "servable", bias=BIAS)
    with TestClient(create_app(serving(folder)), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine(write_servable(tmp_path_factory.mktemp("engine") / "servable", bias=BIAS), 1)


def check_http(client: Any, body: str | bytes, rows: list[dict[str, Any]] | None, *, either: bool = False) -> bool:
    """Post a body; return whether it was answered.

    Args:
        client: the service.
        body: what is sent.
        rows: its cells as the graph should see them, or None where it must be refused.
        either: whether it may be refused although each cell is right.
    """
    response = client.post("/predict", content=body.encode() if isinstance(body, str) else body)
    document = response.json()
    if response.status_code != 200:
        assert response.status_code in (400, 413, 415, 422), (response.status_code, response.text, body)
        assert isinstance(document["detail"], str)
        assert document["detail"]
        assert len(document["detail"].splitlines()) == 1, document
        assert rows is None or either or any(may_lack_a_price(row) for row in rows), (document, body)
        return False
    assert rows is not None, (document, body)
    found = document["predictions"]
    if isinstance(found, dict):
        prices, ids = found["price_prediction"], found.get("id", [None] * len(rows))
    else:
        prices, ids = [one["price_prediction"] for one in found], [one.get("id") for one in found]
    assert len(prices) == len(rows)
    for price, key, row in zip(prices, ids, rows, strict=True):
        check_price(price, row)
        assert key == row.get("id")
    return True


@many(2500)
@given(rows=table(GOOD_JSON, JUNK, 40), by_column=st.booleans())
def test_right_and_wrong_cells_over_http(client: Any, rows: list[list[tuple[str, Any]]], by_column: bool) -> None:
    check_http(client, of_columns(rows) if by_column else of_records(rows), meaning([dict(row) for row in rows]))


@many(1500)
@given(data=st.data(), rows=table(GOOD_JSON, JUNK, 10))
def test_names_left_out_twice_unknown_and_shuffled_over_http(client: Any, data: Any, rows: Any) -> None:
    either = False
    for row in rows:
        for _ in range(data.draw(st.integers(0, 2))):
            change = data.draw(st.sampled_from(["drop", "twice", "unknown", "shuffle"]))
            if change == "drop":
                name = data.draw(st.sampled_from([*OPTIONAL, "age"]))
                row[:] = [pair for pair in row if pair[0] != name]
            elif change == "twice":
                name = data.draw(st.sampled_from(list(BY_NAME)))
                row.append((name, data.draw(GOOD_JSON[name])))
                either = True  # the first of the two may be the wrong one, or two may be refused
            elif change == "unknown":
                row.append((data.draw(st.sampled_from(["Age", "age ", "größe", "", "c0"]) | st.text(max_size=4)), 1))
            else:
                row[:] = data.draw(st.permutations(row))
    body = of_records(rows)
    check_http(client, body, meaning([dict(row) for row in rows]), either=either)


@many(1000)
@given(
    body=st.binary(max_size=30)
    | st.recursive(
        JUNK | st.none(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["records", "columns", "age", "id", CITY, "x"]), inner, max_size=3)
        ),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode())
)
def test_any_body_over_http(client: Any, body: bytes) -> None:
    try:
        document = json.loads(body)
    except (ValueError, UnicodeDecodeError):
        document = None
    empty = [{"records": []}, {"columns": {}}]
    rows: list[dict[str, Any]] | None = [] if document in empty else None
    columns = document.get("columns") if isinstance(document, dict) and len(document) == 1 else None
    if (
        isinstance(columns, dict)
        and columns.keys() <= BY_NAME.keys()
        and all(value == [] for value in columns.values())
    ):
        rows = []
    check_http(client, body, rows, either=True)


def test_generated_tables_are_answered_and_refused(client: Any) -> None:
    """The strategies reach both sides: a test that only ever sees refusals would hold nothing."""
    answered = []

    @many(200)
    @given(rows=table(GOOD_JSON, JUNK, 40))
    def count(rows: Any) -> None:
        answered.append(check_http(client, of_records(rows), meaning([dict(row) for row in rows])))

    count()
    assert 0.4 < sum(answered) / len(answered) < 0.95


# -- the encoding itself, with what Python, numpy, pandas and Arrow hold

numbers_of_python = (
    finite | st.decimals(-(10**6), 10**6, places=3) | finite.map(repr) | st.integers(-(10**9), 10**9).map(str)
)
aware = moments.map(lambda moment: moment.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=5))))
gaps = st.sampled_from([None, math.nan, pd.NA, pd.NaT, "NA", "", "null", np.float64("nan")])
GOOD_PYTHON: dict[str, st.SearchStrategy[Any]] = {
    "age": numbers_of_python | finite.map(np.float64),
    "rooms per house": st.integers(-(2**60), 2**60) | st.sampled_from([3.0, "4", " 5 ", "6.0", np.int64(7), decimal.Decimal("8.0")]) | gaps,
    "is.new": st.booleans() | st.sampled_from(["True", "false", " TRUE ", 1, 0.0, "1", np.True_]) | gaps,
    "seen at": st.floats(-4e9, 4e9) | moments | aware | moments.map(str) | moments.map(np.datetime64) | moments.map(datetime.datetime.date) | gaps,
    CITY: words | st.booleans() | st.integers(-5, 10**20) | st.sampled_from([5.0, 0.5, np.int64(5), np.True_, decimal.Decimal("5.0"), np.float64(2.0)]) | gaps,
    "history": st.lists(numbers_of_python | gaps, min_size=3, max_size=3) | st.tuples(finite, finite, finite) | st.lists(finite, min_size=3, max_size=3).map(np.array),
    "income": numbers_of_python | gaps,
}  # fmt: skip
JUNK_PYTHON = JUNK | st.sampled_from(
    [b"1", b"abc", {1, 2, 3}, {1: 1, 2: 2, 3: 3}, np.ones((3, 1)), np.ones(3), 1j, object, {1}, (1,), np.array([1.5]), np.array([1, 2]), np.float32("inf"), np.array(2.0), datetime.time(1), decimal.Decimal("Infinity"),
     decimal.Decimal("NaN"), decimal.Decimal("1e400"), datetime.timedelta(1), pd.Timestamp("2020-01-01"), range(3), "a" * 100]
)  # fmt: skip
INPUTS = [column for column in COLUMNS if column.role != "key"]
DOCUMENT = {"columns": [column.model_dump() for column in INPUTS], "missing_tokens": list(MISSING_TOKENS)}


def check_encoding(columns: dict[str, Any], cells: dict[str, list[Any]], container: str) -> None:
    """Each column by itself: what the oracle refuses is refused, and told row by row; the rest is encoded as it says."""
    for column in INPUTS:
        document = {**DOCUMENT, "columns": [column.model_dump()]}
        wanted, wrong = [], set()
        for row, value in enumerate(cells[column.name]):
            try:
                wanted.append(python_cell(column, value))
            except NotAllowedError:
                wrong.add(row)
                wanted.append(None)
        gathered = Gathered(100)
        array = encode(columns, document, gathered)[column.name]
        assert gathered.reasons.keys() == wrong, (container, column.name, cells[column.name], gathered.reasons)
        for row, reasons in gathered.reasons.items():
            assert all(f"row {100 + row}" in reason and "\n" not in reason for reason in reasons)
        if wrong:
            with pytest.raises(InputError) as error:
                encode(columns, document)
            assert len(str(error.value).splitlines()) == 1
            assert repr(column.name) in str(error.value)
        else:
            np.testing.assert_array_equal(encode(columns, document)[column.name], array)
        assert array.shape == (len(wanted), column.width)
        for row, value in enumerate(wanted):
            if row not in wrong:
                values = value if isinstance(value, list) else [value]
                gap = "" if column.kind == "category" else math.nan
                want = np.array([gap if one is None else one for one in values], array.dtype)
                np.testing.assert_array_equal(
                    array[row], want, err_msg=f"{container} {column.name} {cells[column.name][row]!r}"
                )


@many(2500)
@given(rows=table(GOOD_PYTHON, JUNK_PYTHON, 50))
def test_python_values_through_the_encoding(rows: Any) -> None:
    columns = {name: [dict(row)[name] for row in rows] for name, _ in rows[0]}
    check_encoding(columns, columns, "lists")


@many(1500)
@given(rows=table(GOOD_PYTHON, JUNK_PYTHON, 20), container=st.sampled_from(["frame", "objects", "arrow"]))
def test_frames_and_arrays_through_the_encoding(rows: Any, container: str) -> None:
    columns = {name: [dict(row)[name] for row in rows] for name, _ in rows[0]}
    held: dict[str, Any] = {}
    cells: dict[str, list[Any]] = {}
    for name, values in columns.items():
        if container == "frame":
            held[name] = pd.Series(values, dtype=object)
        elif container == "objects":
            held[name] = np.empty(len(values), object)
            for row, value in enumerate(values):
                held[name][row] = value
        else:
            try:
                held[name] = pa.array(values, from_pandas=True)
                values = held[name].to_pylist()
            except (pa.ArrowException, OverflowError, TypeError, ValueError):
                held[name] = values  # Arrow has no type that holds them together, or Python none for what it made
        cells[name] = values
        if isinstance(held[name], pa.Array) and name == "history":
            cells[name] = [
                None if value is None else list(value) if hasattr(value, "__len__") else value for value in cells[name]
            ]
    check_encoding(held, cells, container)


@many(1000)
@given(rows=table(GOOD_PYTHON, JUNK_PYTHON, 20))
def test_python_values_through_the_engine(engine: Engine, rows: Any) -> None:
    columns = {name: [dict(row)[name] for row in rows] for name, _ in rows[0]}
    try:
        wanted = [{column.name: python_cell(column, dict(row)[column.name]) for column in INPUTS} for row in rows]
    except NotAllowedError:
        with pytest.raises(InputError):
            engine.run(columns)
        return
    refused, got = "", np.empty(0)
    try:
        got = engine.run(columns)["price_prediction"]
    except InputError as error:
        refused = str(error)
    if refused:
        assert "has no finite price_prediction" in refused
        assert any(may_lack_a_price(row) for row in wanted)
        return
    assert got.shape == (len(rows), 1)
    for price, row in zip(got[:, 0].tolist(), wanted, strict=True):
        check_price(price, row)
