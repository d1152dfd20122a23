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
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.inference.wire import Gathered, InputError, encode
from {{ cookiecutter.project_slug }}.schemas.contract import MISSING_TOKENS, Column

from ..servables import CITY, COLUMNS, LEVELS, NUMBERS, serving, write_servable
from deployment.api.app import create_app

pytestmark = pytest.mark.slow
BIAS = 2.5
FLOAT32_MAX = 3.4028234663852886e38
UTC = datetime.UTC
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
BY_NAME = {column.name: column for column in COLUMNS}
DIGITS = set("+-.eE0123456789")


def many(examples: int) -> settings:
    """As many tables, the same ones in every run; a failure is shown as it was found."""
    phases = (Phase.explicit, Phase.generate, Phase.shrink)
    quiet = list(HealthCheck)
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        phases=phases,
        suppress_health_check=quiet,
    )


# -- the oracle: what a cell means, written down apart from the code


class NotAllowedError(Exception):
    """The cell breaks the contract."""


def json_cell(column: Column, value: Any) -> Any:
    """A JSON value as the graph should see it: float, text, None where it is missing, a list for a width of 3.

    Raises:
        NotAllowedError: the request must be refused.
    """
    if value is None or (isinstance(value, float) and math.isnan(value) and column.width == 1):
        if not column.missing and column.role != "key":
            raise NotAllowedError
        return None if column.width == 1 else [None] * column.width
    if column.width > 1:
        if isinstance(value, float) and math.isnan(value):
            return [None] * column.width
        if not isinstance(value, list) or len(value) != column.width:
            raise NotAllowedError
        return [json_cell(column.model_copy(update={"width": 1}), one) for one in value]
    if column.role == "key":
        whole = isinstance(value, int | float) and not isinstance(value, bool) and -(2**63) <= value < 2**63
        if isinstance(value, str) or (whole and value == int(value)):
            return value
        raise NotAllowedError
    if column.kind == "category":
        if isinstance(value, float) and not value.is_integer():
            raise NotAllowedError
        return category(value)
    if column.kind == "boolean":
        if isinstance(value, bool):
            return float(value)
        raise NotAllowedError
    if isinstance(value, bool):
        raise NotAllowedError
    if column.kind == "time" and isinstance(value, str):
        return None if value.strip() in MISSING_TOKENS else instant(value)
    if isinstance(value, int | float):
        return number(value, whole=column.kind == "integer")
    raise NotAllowedError


def number(value: Any, *, whole: bool = False) -> float:
    try:
        exact = float(value)
    except OverflowError:
        raise NotAllowedError from None
    if math.isinf(exact) or (whole and exact % 1):
        raise NotAllowedError
    return exact


def instant(text: str) -> float:
    """Seconds of an ISO 8601 time; eight digits alone may be meant as a number too, and are none."""
    if text.strip().isdigit():
        raise NotAllowedError
    try:
        moment = datetime.datetime.fromisoformat(text.strip())
    except ValueError:
        raise NotAllowedError from None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH) / datetime.timedelta(seconds=1)


def category(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        if isinstance(value, float) and not math.isfinite(value):
            raise NotAllowedError
        return str(int(value)) if value == int(value) else repr(value)
    if isinstance(value, decimal.Decimal | datetime.date | datetime.time | datetime.timedelta):
        if value in (math.inf, -math.inf):
            raise NotAllowedError
        return category(str(value))
    if not isinstance(value, str):
        raise NotAllowedError
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise NotAllowedError
    if value.strip() in MISSING_TOKENS:
        return None
    if value.lower() in ("true", "false") and (value.istitle() or value.isupper()):
        return value.lower()
    whole, dot, zeros = value.partition(".")
    digits = whole.removeprefix("-")
    if dot and zeros and set(zeros) == {"0"} and digits and digits.isascii() and digits.isdigit():
        return "0" if whole == "-0" else whole
    return value


def text_number(text: str) -> float:
    """Text as a number in decimal notation."""
    if not text.isascii() or "_" in text or not set(text.strip()) <= DIGITS:
        raise NotAllowedError
    try:
        exact = decimal.Decimal(text.strip())
    except decimal.InvalidOperation:
        raise NotAllowedError from None
    return number(exact)


def python_cell(column: Column, value: Any) -> Any:
    """A Python value as the encoding should see it; more types than JSON has, and numbers may be text.

    Raises:
        NotAllowedError: the encoding must refuse it.
    """
    if column.width > 1:
        if not isinstance(value, list | tuple | np.ndarray | range) or np.shape(value)[:1] != (column.width,):
            raise NotAllowedError
        if isinstance(value, np.ndarray) and value.ndim > 1:
            raise NotAllowedError
        return [python_cell(column.model_copy(update={"width": 1}), one) for one in value]
    while isinstance(value, list | tuple | np.ndarray) and np.size(value) == 1 and column.name != "history":
        value = value.item() if isinstance(value, np.ndarray) else value[0]
    if isinstance(value, np.generic) and not isinstance(value, np.datetime64):
        value = value.item()
    text = value if column.kind == "category" else value.strip() if isinstance(value, str) else value
    if missing(value) or (isinstance(text, str) and text.strip() in MISSING_TOKENS):
        if not column.missing:
            raise NotAllowedError
        return None
    if column.kind == "category":
        return category(value)
    if column.kind == "time" and (moment := as_moment(value)) is not None:
        return moment
    if column.kind == "boolean" and (
        isinstance(value, bool) or (isinstance(text, str) and text.lower() in ("true", "false"))
    ):
        return float(value if isinstance(value, bool) else text.lower() == "true")
    if isinstance(value, str):
        if column.kind == "time" and len(text) == 8 and text.isdigit():
            raise NotAllowedError
        found = text_number(value)
    elif isinstance(value, int | float | decimal.Decimal) and not isinstance(value, bool):
        found = number(value)
    else:
        raise NotAllowedError
    if (column.kind == "integer" and found % 1) or (column.kind == "boolean" and found not in (0.0, 1.0)):
        raise NotAllowedError
    return found


def missing(value: Any) -> bool:
    if isinstance(value, decimal.Decimal):
        return value.is_nan()
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value))


def as_moment(value: Any) -> float | None:
    if isinstance(value, np.datetime64):
        return float(value.astype("datetime64[us]").astype(int)) / 1e6
    if isinstance(value, datetime.datetime):
        return ((value if value.tzinfo else value.replace(tzinfo=UTC)) - EPOCH) / datetime.timedelta(seconds=1)
    if isinstance(value, datetime.date):
        return float((value - EPOCH.date()).days * 86400)
    if isinstance(value, str) and not set(value.strip()) <= DIGITS:
        return instant(value)
    return None


def answer(cells: dict[str, Any]) -> tuple[float, float]:
    """The price of one row, and the size of what was added up for it."""
    terms = [BIAS, LEVELS.get("" if cells[CITY] is None else cells[CITY], 0.125)]
    for name, (fill, weights) in NUMBERS.items():
        values = cells[name] if isinstance(cells[name], list) else [cells[name]]
        terms += [(fill if value is None else value) * weight for value, weight in zip(values, weights, strict=True)]
    return sum(terms), sum(map(abs, terms))


def check_price(got: float, cells: dict[str, Any]) -> None:
    want, size = answer(cells)
    assert math.isfinite(got)
    assert abs(got - want) <= 1e-6 * abs(want) + 1e-12 * size, (got, want, cells)


def has_no_price(cells: dict[str, Any]) -> bool:
    """Whether float32 cannot hold the answer; the last digits before the greatest number may go either way."""
    want, _ = answer(cells)
    return not abs(want) < FLOAT32_MAX * (1 - 1e-6)


# -- the tables

moments = st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2099, 12, 31))
words = st.sampled_from(
    ["süd", "nord", "5", "true", "☂", "", " a ", "NA", "None", "True", "FALSE", "5.0", "-0.0", "05.00", "a\0b", "é\u0301", "inf"]
) | st.text(max_size=6)  # fmt: skip
JUNK = st.sampled_from(
    [10**400, -(10**400), 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 1e308, -1e308, 3.4e38, 5e-324, -0.0, 1e39, math.inf, -math.inf,
     math.nan, "1.5", " 1e3 ", "١", "1_000", "1,5", "0x10", "NaN", "-inf", "20200101", "2020-02-30", "true", "\ud800", "a\udfff", "",
     [], [1], [[1]], [1, 2], [1, 2, 3], [1, "x", 3], [1, None, 2.5], [1, 2, 3, 4], {}, {"a": 1}, {"age": 30}, True, False, None, 0, 1, 2]
)  # fmt: skip
JUNK = JUNK | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5)
finite = (
    st.floats(-1e12, 1e12) | st.floats(allow_nan=False, allow_infinity=False, width=32) | st.integers(-(10**6), 10**6)
)
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


def table(cells: dict[str, st.SearchStrategy[Any]], dirt: st.SearchStrategy[Any], odd: int) -> st.SearchStrategy[Any]:
    """Rows as lists of pairs; `odd` of a hundred tables have one cell of `dirt`."""
    row = st.fixed_dictionaries(cells)

    @st.composite
    def build(draw: st.DrawFn) -> list[list[tuple[str, Any]]]:
        rows = [list(one.items()) for one in draw(st.lists(row, min_size=1, max_size=3))]
        if draw(st.integers(0, 99)) < odd:
            one = rows[draw(st.integers(0, len(rows) - 1))]
            position = draw(st.integers(0, len(one) - 1))
            one[position] = one[position][0], draw(dirt)
        return rows

    return build()


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
        assert rows is None or either or any(has_no_price(row) for row in rows), (document, body)
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


def meaning(rows: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """The rows of a body as the graph should see them; None: the body breaks the contract."""
    seen = []
    for row in rows:
        if not row.keys() <= BY_NAME.keys() or any(surrogates(value) for value in row.values()):
            return None
        try:
            seen.append({name: json_cell(column, row.get(name)) for name, column in BY_NAME.items()})
        except NotAllowedError:
            return None
    return seen


def surrogates(value: Any) -> bool:
    """Whether half of a pair, which is no text, is anywhere in it."""
    if isinstance(value, dict):
        return any(map(surrogates, value)) or any(map(surrogates, value.values()))
    if isinstance(value, list):
        return any(map(surrogates, value))
    return isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value)


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
    if any(has_no_price(row) for row in wanted):
        with pytest.raises(InputError, match="has no finite price_prediction"):
            engine.run(columns)
        return
    got = engine.run(columns)["price_prediction"]
    assert got.shape == (len(rows), 1)
    for price, row in zip(got[:, 0].tolist(), wanted, strict=True):
        check_price(price, row)
