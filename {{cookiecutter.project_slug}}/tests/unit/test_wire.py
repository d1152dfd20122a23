"""The wire encoding: values of every kind, what is missing, and what is refused with which words."""

import datetime
import decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from {{ cookiecutter.project_slug }}.inference.wire import (
    Gathered,
    InputError,
    as_columns,
    encode,
    encode_key,
)
from {{ cookiecutter.project_slug }}.schemas.contract import MISSING_TOKENS

NAN = float("nan")
TOKYO = datetime.timezone(datetime.timedelta(hours=9))
MIDNIGHT = datetime.datetime(2000, 2, 29, tzinfo=datetime.UTC)
SECONDS = 951_782_400.0
NUMBER = "column 'c' must be a finite number, row 1 holds"
TIME = "column 'c' must be an ISO 8601 time or seconds since 1970 (UTC), row 1 holds"


def contract(kind: str, **others: Any) -> dict[str, Any]:
    return {"columns": [{"name": "c", "kind": kind, **others}], "missing_tokens": list(MISSING_TOKENS)}


def encoded(kind: str, values: Any) -> list[Any]:
    """The column as a list, with "gap" for a missing value."""
    array = encode({"c": values}, contract(kind))["c"]
    assert array.shape == (len(values), 1)
    assert array.dtype == (object if kind == "category" else np.float64)
    return ["gap" if value in ("",) or value != value else value for value in array[:, 0].tolist()]


@pytest.mark.parametrize(
    ("kind", "value", "want"),
    [
        ("number", 5, 5.0),
        ("number", -0.5, -0.5),
        ("number", "1.5", 1.5),
        ("number", " 1e3 ", 1_000.0),
        ("number", "+.5", 0.5),
        ("number", decimal.Decimal("0.1"), 0.1),
        ("number", np.float32(0.5), 0.5),
        ("number", 2**60, 2.0**60),
        ("integer", 20_000_001, 20_000_001.0),
        ("integer", "-7", -7.0),
        ("integer", 3.0, 3.0),
        ("boolean", True, 1.0),
        ("boolean", np.False_, 0.0),
        ("boolean", "True", 1.0),
        ("boolean", "FALSE", 0.0),
        ("boolean", 1, 1.0),
        ("boolean", "0", 0.0),
        ("time", SECONDS, SECONDS),
        ("time", "951782400", SECONDS),
        ("time", "2000-02-29", SECONDS),
        ("time", "2000-02-29T00:00:00", SECONDS),
        ("time", "2000-02-29T09:00:00+09:00", SECONDS),
        ("time", "2000-02-29T00:00:00.25Z", SECONDS + 0.25),
        ("time", "1969-12-31 23:59:59.5", -0.5),
        ("time", datetime.date(2000, 2, 29), SECONDS),
        ("time", MIDNIGHT, SECONDS),
        ("time", MIDNIGHT.replace(tzinfo=None), SECONDS),
        ("time", MIDNIGHT.astimezone(TOKYO), SECONDS),
        ("time", pd.Timestamp("2000-02-29", tz="UTC"), SECONDS),
        ("time", np.datetime64("1900-01-01"), -2_208_988_800.0),
        ("category", "grün", "grün"),
        ("category", " a ", " a "),
        ("category", 5, "5"),
        ("category", 5.0, "5"),
        ("category", "5.0", "5"),
        ("category", "-5.00", "-5"),
        ("category", "-0.0", "0"),
        ("category", -0.0, "0"),
        ("category", datetime.date(2000, 2, 29), "2000-02-29"),
        ("category", decimal.Decimal("5.0"), "5"),
        ("category", 0.5, "0.5"),
        ("category", "01", "01"),
        ("category", 2**63, "9223372036854775808"),
        ("category", True, "true"),
        ("category", np.True_, "true"),
        ("category", "True", "true"),
        ("category", "FALSE", "false"),
        ("category", "trUe", "trUe"),
        ("category", "inf", "inf"),
        ("category", "a\0b", "a\0b"),
    ],
)
def test_one_value(kind: str, value: object, want: object) -> None:
    assert encoded(kind, [value]) == [want]
    assert encoded(kind, [value, None]) == [want, "gap"]


@pytest.mark.parametrize("kind", ["number", "integer", "boolean", "time", "category"])
@pytest.mark.parametrize("gap", [None, NAN, np.float64("nan"), pd.NA, pd.NaT, np.datetime64("NaT"), *MISSING_TOKENS])
def test_missing(kind: str, gap: object) -> None:
    assert encoded(kind, [gap]) == ["gap"]


def test_the_contract_names_the_tokens() -> None:
    only = {**contract("category"), "missing_tokens": ["?"]}
    assert encode({"c": ["?", "None", "NA"]}, only)["c"][:, 0].tolist() == ["", "None", "NA"]


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("number", "ten", f"{NUMBER} 'ten'"),
        ("number", "1_000", f"{NUMBER} '1_000'"),
        ("number", "٣", f"{NUMBER} '٣'"),
        ("number", True, f"{NUMBER} True"),
        ("number", float("inf"), f"{NUMBER} inf"),
        ("number", "-inf", f"{NUMBER} '-inf'"),
        ("number", "1e999", f"{NUMBER} '1e999'"),
        ("number", 10**400, f"{NUMBER} 1{'0' * 56}..."),
        ("number", [1, 2], f"{NUMBER} [1, 2]"),
        ("number", {}, f"{NUMBER} " + "{}"),
        ("number", b"1", f"{NUMBER} b'1'"),
        ("number", datetime.date(2000, 1, 1), f"{NUMBER} datetime.date(2000, 1, 1)"),
        ("integer", 2.5, "column 'c' must be an integer, row 1 holds 2.5"),
        ("integer", "2.5", "column 'c' must be an integer, row 1 holds '2.5'"),
        ("boolean", 2, "column 'c' must be true or false, row 1 holds 2"),
        ("boolean", "yes", "column 'c' must be true or false, row 1 holds 'yes'"),
        ("time", "yesterday", f"{TIME} 'yesterday'"),
        ("time", "2001-02-29", f"{TIME} '2001-02-29'"),
        ("time", True, f"{TIME} True"),
        ("time", "20000229", f"{TIME} '20000229'"),
        ("category", float("-inf"), "column 'c' must be text, row 1 holds -inf"),
        ("category", ["a", "b"], "column 'c' must be text, row 1 holds ['a', 'b']"),
        ("category", {"a": 1}, "column 'c' must be text, row 1 holds {'a': 1}"),
        ("category", b"a", "column 'c' must be text, row 1 holds b'a'"),
        ("category", 1j, "column 'c' must be text, row 1 holds 1j"),
        ("category", range(3), "column 'c' must be text, row 1 holds range(0, 3)"),
        ("number", np.ones((2, 1)), f"{NUMBER} array([[1.],        [1.]])"),
        ("category", "\ud800", r"column 'c' must be text, row 1 holds '\ud800'"),
    ],
)
def test_refused(kind: str, value: object, message: str) -> None:
    with pytest.raises(InputError) as error:
        encoded(kind, [None, value])
    assert str(error.value) == message


def test_typed_arrays_are_refused_like_lists() -> None:
    for values in (np.array([1.0, np.inf]), pd.Series([1.0, np.inf]), pa.array([1.0, np.inf])):
        with pytest.raises(InputError, match=r"^column 'c' must be a finite number, row 1 holds inf$"):
            encoded("number", values)
    with pytest.raises(InputError, match=r"^column 'c' must be an integer, row 0 holds 0\.5$"):
        encoded("integer", np.array([0.5]))


def test_a_required_column() -> None:
    required = contract("category", missing=False)
    assert encode({"c": ["a"]}, required)["c"].tolist() == [["a"]]
    with pytest.raises(InputError, match=r"^column 'c' may not be missing, row 2$"):
        encode({"c": ["a", "b", "None"]}, required)


def test_absent_columns_and_other_lengths() -> None:
    two = {"columns": [{"name": n, "kind": "number"} for n in ("a", "b c", "d")], "missing_tokens": []}
    with pytest.raises(InputError, match=r"^missing column: 'b c'$"):
        encode({"a": [1], "d": [1]}, two)
    with pytest.raises(InputError, match=r"^missing columns: 'b c', 'd'$"):
        encode({"a": [1]}, two)
    with pytest.raises(InputError, match=r"^column 'd' has 2 rows, the columns before it 1$"):
        encode({"a": [1], "b c": [1], "d": [1, 2]}, two)


def test_keys_are_text_and_exact_and_no_inputs() -> None:
    with_key = {"columns": [{"name": "k", "kind": "category", "role": "key"}], "missing_tokens": []}
    assert encode({}, with_key) == {}
    big = 2**53 + 1
    assert encode_key([big, str(big), 7.0, None, "a"], "k").tolist() == [str(big), str(big), "7", "", "a"]
    assert encode_key(["7.0", "True", "NA"], "k").tolist() == ["7.0", "True", "NA"]
    assert encode_key(pd.Series([big, None], dtype="Int64"), "k").tolist() == [str(big), ""]
    assert encode_key(np.array([big]), "k").tolist() == [str(big)]


@pytest.mark.parametrize(
    "values",
    [
        [[1, 2, 3], [4, None, 6]],
        [(1, 2, 3), (4, "NA", 6)],
        np.array([[1.0, 2.0, 3.0], [4.0, NAN, 6.0]]),
        pd.Series([[1, 2, 3], np.array([4, NAN, 6])]),
        pa.array([[1, 2, 3], [4, None, 6]]),
    ],
)
def test_a_column_of_width_three(values: object) -> None:
    array = encode({"c": values}, contract("number", width=3))["c"]
    np.testing.assert_array_equal(array, [[1.0, 2.0, 3.0], [4.0, NAN, 6.0]])


def test_a_cell_of_another_width() -> None:
    with pytest.raises(InputError, match=r"^column 'c' needs 3 values in each row, row 1 holds \[1, 2\]$"):
        encode({"c": [[1, 2, 3], [1, 2]]}, contract("number", width=3))
    with pytest.raises(InputError, match=r"^column 'c' must be a finite number, row 1 holds 'x'$"):
        encode({"c": [[1, 2, 3], [1, 2, "x"]]}, contract("number", width=3))
    with pytest.raises(InputError, match=r"^column 'c' holds 1-dimensional values, one per row is needed$"):
        encode({"c": np.ones((2, 3))}, contract("number"))


@pytest.mark.parametrize(
    "cell", [5.0, "abc", b"abc", {1, 2, 3}, {1: 1, 2: 2, 3: 3}, np.array(2.0), np.ones((3, 1)), None]
)
def test_a_cell_that_is_no_list(cell: object) -> None:
    with pytest.raises(InputError, match=r"^column 'c' needs 3 values in each row, row 1 holds [^\n]+$"):
        encode({"c": [[1, 2, 3], cell]}, contract("number", width=3))


@pytest.mark.parametrize("typed", [list, pa.array])
def test_misfits_are_gathered_in_one_pass(typed: Any) -> None:
    columns = {
        "columns": [
            {"name": "n", "kind": "number", "missing": False},
            {"name": "c", "kind": "category", "missing": False},
        ]
    }
    misfits = Gathered(first=100)
    table = {"n": typed([1.0, float("inf"), None, 4.0, 5.0]), "c": typed(["a", "NA", "b", None, "a"])}
    feeds = encode(table, columns | {"missing_tokens": ["NA"]}, misfits)
    assert misfits.reasons == {
        1: ["column 'n' must be a finite number, row 101 holds inf", "column 'c' may not be missing, row 101"],
        2: ["column 'n' may not be missing, row 102"],
        3: ["column 'c' may not be missing, row 103"],
    }
    np.testing.assert_array_equal(feeds["n"][:, 0], [1.0, NAN, NAN, 4.0, 5.0])
    assert feeds["c"][:, 0].tolist() == ["a", "", "b", "", "a"]


def test_misfits_of_a_wide_column_are_told_once_a_row() -> None:
    misfits = Gathered()
    encode({"c": [[1, 2, 3], [1], ["x", None, 3], [None] * 3]}, contract("number", width=3, missing=False), misfits)
    assert misfits.reasons == {
        1: ["column 'c' needs 3 values in each row, row 1 holds [1]"],
        2: ["column 'c' must be a finite number, row 2 holds 'x'", "column 'c' may not be missing, row 2"],
        3: ["column 'c' may not be missing, row 3"],
    }


def test_keys_that_are_no_text_are_gathered() -> None:
    misfits = Gathered(first=5)
    assert encode_key(["a", b"b", [1, 2], 4], "k", misfits).tolist() == ["a", "", "", "4"]
    assert misfits.reasons == {
        1: ["column 'k' must be text, row 6 holds b'b'"],
        2: ["column 'k' must be text, row 7 holds [1, 2]"],
    }


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["a", None, "NA", "5.0", "a"]).dictionary_encode(),
        pa.chunked_array([["a", None], [], ["NA", "5.0", "a"]]),
        pa.chunked_array([pa.array(["a", None]).dictionary_encode(), pa.array(["NA", "5.0", "a"]).dictionary_encode()]),
        pa.array(["never", "a", None, "NA", "5.0", "a", "never"]).dictionary_encode().slice(1, 5),
        pa.array([*map(str, range(1000)), "a", None, "NA", "5.0", "a"]).dictionary_encode().slice(1000),
        pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 3, 0]), ["a", None, "NA", "5.0"]),
    ],
)
def test_an_arrow_column_is_read_by_its_distinct_values(values: object) -> None:
    assert encoded("category", values) == ["a", "gap", "gap", "5", "a"]


def test_arrow_columns_that_have_no_dictionary() -> None:
    assert encoded("category", pa.array([1.5, 2.0, None], pa.float16())) == ["1.5", "2", "gap"]
    assert encoded("category", pa.nulls(2)) == ["gap", "gap"]
    assert encoded("category", pa.array([], pa.string())) == []
    with pytest.raises(InputError, match=r"^column 'c' must be text, row 1 holds \['b', 'c'\]$"):
        encoded("category", pa.array([["a"], ["b", "c"]]))


def test_tables_become_columns() -> None:
    assert as_columns([{"a": 1}, {"b": 2}]) == {"a": [1, None], "b": [None, 2]}
    assert as_columns({"a": 1, "b": "text"}) == {"a": [1], "b": ["text"]}
    assert as_columns({"a": [1, 2]}) == {"a": [1, 2]}
    with pytest.raises(InputError, match=r"^cannot read a table from int: give a data frame, records or columns$"):
        as_columns(3)
