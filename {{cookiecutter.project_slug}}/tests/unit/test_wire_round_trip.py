"""Whatever reader or type a value comes through, it becomes the same tensor; on generated values."""

import datetime
import json

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from {{ cookiecutter.project_slug }}.inference.wire import encode_column, encode_key
from {{ cookiecutter.project_slug }}.schemas.contract import MISSING_TOKENS

TOKENS = frozenset(MISSING_TOKENS)
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
many = settings(max_examples=300, deadline=None, derandomize=True)
finite = st.floats(allow_nan=False, allow_infinity=False)
moments = st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2099, 12, 31), timezones=st.just(datetime.UTC))


def encoded(kind: str, values: object) -> np.ndarray:
    return encode_column(values, {"name": "c", "kind": kind}, TOKENS)[:, 0]


@many
@given(st.lists(st.none() | finite))
def test_numbers(values: list[float | None]) -> None:
    want = np.array([np.nan if value is None else value for value in values])
    ways = [
        values,
        want,
        pd.Series(values, dtype="float64"),
        pd.Series(values, dtype="Float64"),
        pa.array(values, pa.float64()),
        [None if value is None else repr(value) for value in values],
        json.loads(json.dumps(values)),
        pd.Series(values, dtype="float64").astype("category"),
    ]
    for way in ways:
        np.testing.assert_array_equal(encoded("number", way), want)


@many
@given(st.integers(-(2**53), 2**53))
def test_an_integral_number_is_one_category(value: int) -> None:
    spellings = [value, float(value), str(value), f"{value}.0", f"{value}.000", np.int64(value), np.float64(value)]
    assert set(encoded("category", spellings)) == {str(value)}
    assert encoded("integer", [value, str(value), float(value)]).tolist() == [float(value)] * 3


@many
@given(st.integers(0, 2**80))
def test_keys_keep_every_digit(value: int) -> None:
    assert encode_key([value, str(value)], "k").tolist() == [str(value)] * 2


@many
@given(st.lists(st.none() | st.text()))
def test_text(values: list[str | None]) -> None:
    once = encoded("category", values)
    assert list(encoded("category", once)) == list(once)
    for value, got in zip(values, once, strict=True):
        if value is None or value.strip() in TOKENS:
            assert got == ""
        elif not any(character.isdigit() for character in value) and value not in ("True", "TRUE", "False", "FALSE"):
            assert got == value
    assert list(encoded("category", pd.Series(values, dtype="string"))) == list(once)
    assert list(encoded("category", pa.array(values, pa.string()))) == list(once)
    assert list(encoded("category", pd.Series(values, dtype=object).astype("category"))) == list(once)


@many
@given(st.lists(moments, min_size=1), st.integers(-12, 14))
def test_times(values: list[datetime.datetime], hours: int) -> None:
    want = [(value - EPOCH) / datetime.timedelta(seconds=1) for value in values]
    zone = datetime.timezone(datetime.timedelta(hours=hours))
    abroad = [value.astimezone(zone) for value in values]
    naive = [value.replace(tzinfo=None) for value in values]
    ways = [
        values,
        abroad,
        naive,
        [value.isoformat() for value in abroad],
        [value.isoformat(" ") for value in naive],
        np.array(naive, "datetime64[us]"),
        pd.Series(values).astype("datetime64[us, UTC]").dt.tz_convert(zone),
        pa.array(naive, pa.timestamp("us")),
        want,
        [repr(second) for second in want],
    ]
    for way in ways:
        assert encoded("time", way).tolist() == want


@many
@given(st.lists(st.none() | st.booleans()))
def test_booleans(values: list[bool | None]) -> None:
    want = np.array([np.nan if value is None else float(value) for value in values])
    ways = [values, pd.Series(values, dtype="boolean"), [None if v is None else str(v) for v in values], want]
    for way in ways:
        np.testing.assert_array_equal(encoded("boolean", way), want)
