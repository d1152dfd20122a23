# SPDX-License-Identifier: GPL-3.0-only
"""Columns of any container become the graph's inputs; see the table of the package."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .plain import at_once
from .values import STRICT, InputError, Misfits, as_boolean, as_number, as_seconds, as_text, is_missing, shown

NEEDED = {
    "number": "a finite number",
    "integer": "an integer",
    "boolean": "true or false",
    "time": "an ISO 8601 time or seconds since 1970 (UTC)",
    "category": "text",
}
"""What a column of each kind must be."""
Encoded = tuple[np.ndarray, np.ndarray | None]
"""float64 or text `[N]`, and a mask of the cells that do not fit, which are read as missing; None: all fit."""
_NO_LIST = (str, bytes, bytearray, dict, set, frozenset)
"""What has a length, and whose parts are no values in an order."""


def encode(columns: Any, contract: Mapping[str, Any], misfits: Misfits = STRICT) -> dict[str, np.ndarray]:
    """Turn a table's columns into the graph's inputs.

    Args:
        columns: anything that gives a column by its name: a dict of lists, a pandas or polars frame.
        contract: the contract as JSON has it; only `columns` and `missing_tokens` are read.
        misfits: what is told of values that do not fit; the default raises at the first.

    Returns:
        Arrays `[N, width]` by column name, in the contract's order; keys are not in it.

    Raises:
        InputError: a column is absent, lengths differ, or a value does not fit the column's kind.
    """
    return encode_columns(columns, *plan(contract), misfits)


def plan(contract: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], frozenset[str]]:
    """What `encode_columns` needs of a contract: the graph's inputs and the missing tokens."""
    inputs = [column for column in contract["columns"] if column.get("role") != "key"]
    return inputs, frozenset(contract["missing_tokens"])


def encode_columns(
    columns: Any, inputs: list[Mapping[str, Any]], tokens: frozenset[str], misfits: Misfits = STRICT
) -> dict[str, np.ndarray]:
    """`encode` for a contract that was looked at beforehand; see `plan`."""
    absent = [column["name"] for column in inputs if column["name"] not in columns]
    if absent:
        raise InputError(f"missing column{'s' if len(absent) > 1 else ''}: {', '.join(map(repr, absent))}")
    plain, rows = at_once(columns, inputs, tokens), None
    feeds: dict[str, np.ndarray] = {}
    for column in inputs:
        name = column["name"]
        array = plain[name] if name in plain else encode_column(columns[name], column, tokens, misfits)
        feeds[name] = array
        rows = len(array) if rows is None else rows
        if len(array) != rows:
            raise InputError(f"column {column['name']!r} has {len(array)} rows, the columns before it {rows}")
    return feeds


def encode_column(
    values: Any, column: Mapping[str, Any], tokens: frozenset[str] | set[str], misfits: Misfits = STRICT
) -> np.ndarray:
    """Encode one column: float64 or text `[N, width]`; see `encode`."""
    kind, width, codes = column["kind"], column.get("width", 1), None
    if kind == "category":
        values, codes = _distinct(values) if width == 1 else (_exact(values), None)
    cells, skipped = _cells(values, column, misfits)
    array, bad = _texts(cells, tokens) if kind == "category" else _floats(cells, kind, tokens)
    gaps = None if column.get("missing", True) else array == "" if kind == "category" else np.isnan(array)
    if codes is not None:
        array, cells = array[codes], cells if bad is None else cells[codes]
        bad, gaps = (None if mask is None else mask[codes] for mask in (bad, gaps))
    if bad is not None:
        _tell(misfits, column, NEEDED[kind], cells, bad)
        gaps = None if gaps is None else gaps & ~bad
    if gaps is not None and gaps.any():
        for row in np.unique(np.flatnonzero(gaps) // width).tolist():
            if row not in skipped:
                misfits.add(row, f"column {column['name']!r} may not be missing, row {misfits.first + row}")
    return array.reshape(-1, width)


def encode_key(values: Any, name: str, misfits: Misfits = STRICT) -> np.ndarray:
    """Keys as text `[N]`: text as it is, integers exactly, missing as ""."""
    column = {"name": name}
    flat, _ = _cells(_exact(values), column, misfits)
    texts, bad = _texts(flat, frozenset(), verbatim=True)
    if bad is not None:
        _tell(misfits, column, NEEDED["category"], flat, bad)
    return texts


def _tell(misfits: Misfits, column: Mapping[str, Any], needed: str, cells: np.ndarray, bad: np.ndarray) -> None:
    name, width = column["name"], column.get("width", 1)
    for position in np.flatnonzero(bad).tolist():
        row = position // width
        text = f"column {name!r} must be {needed}, row {misfits.first + row} holds {shown(cells[position])}"
        misfits.add(row, text)


def _cells(values: Any, column: Mapping[str, Any], misfits: Misfits) -> tuple[np.ndarray, set[int]]:
    """A column as a plain array `[N * width]`, and its rows of another width, which read as missing."""
    name, width = column["name"], column.get("width", 1)
    array = _array(values)
    if array.ndim > 1 and array.shape[1:] == (width,):
        return array.reshape(-1), set()
    if width == 1:
        if array.dtype == object:
            array = _unwrapped(array)
        if array.ndim > 1:
            raise InputError(f"column {name!r} holds {array.ndim - 1}-dimensional values, one per row is needed")
        return array, set()
    table, skipped = np.full((len(array), width), None, object), set()
    for row, cell in enumerate(array):
        held = _array(cell) if hasattr(cell, "__len__") and not isinstance(cell, _NO_LIST) else None
        if held is None or held.shape != (width,):
            where = f"row {misfits.first + row} holds {shown(cell)}"
            misfits.add(row, f"column {name!r} needs {width} values in each row, {where}")
            skipped.add(row)
        else:
            table[row] = held
    return table.reshape(-1), skipped


def _distinct(values: Any) -> tuple[Any, np.ndarray | None]:
    """An Arrow column's distinct cells with the position of each row's among them; other columns as they are."""
    if not hasattr(values, "dictionary_encode"):
        return _exact(values), None
    array = values.combine_chunks() if hasattr(values, "combine_chunks") else values
    try:
        array = array.dictionary_encode()
        if len(array.dictionary) > len(array):  # a long column's dictionary with a short part of its rows
            array = array.dictionary_decode().dictionary_encode()
    except NotImplementedError:  # lists and the like
        return values.to_pylist(), None
    cells, codes = array.dictionary.to_pylist(), array.indices
    if codes.null_count:
        codes, cells = codes.fill_null(len(cells)), [*cells, None]
    return cells, codes.to_numpy(zero_copy_only=False)


def _exact(values: Any) -> Any:
    """Frames' columns as lists: their arrays turn integers with gaps into floats, which hold 53 bits."""
    for method in ("to_pylist", "to_list"):  # pyarrow; pandas and polars
        if hasattr(values, method):
            return getattr(values, method)()
    return values


def _array(values: Any) -> np.ndarray:
    """Numpy as it is; pandas, polars and pyarrow by their own conversion; everything else as objects."""
    if isinstance(values, np.ndarray):
        return values
    if hasattr(values, "to_pylist") and "dictionary" in str(values.type):  # pyarrow's to_numpy loses their gaps
        values = values.to_pylist()
    if hasattr(values, "to_numpy"):
        if getattr(getattr(values, "dtype", None), "kind", "") == "M" and getattr(values.dtype, "tz", None) is not None:
            values = values.dt.tz_convert("UTC").dt.tz_localize(None)
        return np.asarray(values)
    values = list(values)
    array = np.empty(len(values), object)
    for row, value in enumerate(values):  # an assignment at once would open values that are lists
        array[row] = value
    return array


def _unwrapped(array: np.ndarray) -> np.ndarray:
    """Objects with 0-dimensional and one-element arrays opened: MLflow's `instances` door hands those."""
    flat = np.empty(array.size if array.ndim == 1 else len(array), object)
    for row, cell in enumerate(array):
        while (isinstance(cell, np.ndarray) and cell.size == 1) or (isinstance(cell, list | tuple) and len(cell) == 1):
            cell = cell.item() if isinstance(cell, np.ndarray) else cell[0]
        flat[row] = cell
    return flat


def _texts(array: np.ndarray, tokens: frozenset[str] | set[str], *, verbatim: bool = False) -> Encoded:
    out, bad = np.empty(len(array), object), []
    for row, value in enumerate(array):
        try:
            text = "" if is_missing(value) else value if verbatim and isinstance(value, str) else as_text(value)
        except (TypeError, ValueError, ArithmeticError):
            text = ""
            bad.append(row)
        out[row] = "" if text.strip() in tokens else text
    return out, _mask(bad, len(array))


def _floats(array: np.ndarray, kind: str, tokens: frozenset[str] | set[str]) -> Encoded:
    bad = None
    if array.dtype.kind in "iuf" or (array.dtype.kind == "b" and kind == "boolean"):
        out = array.astype(np.float64, copy=False)
    elif array.dtype.kind == "M" and kind == "time":
        out = np.where(np.isnat(array), np.nan, array.astype("datetime64[us]").astype(np.int64) / 1e6)
    else:
        out, bad = _read_floats(array, kind, tokens)
    finite = np.isfinite(out)
    if kind == "integer":
        wrong = finite & (out != np.floor(out))
    elif kind == "boolean":
        wrong = finite & (out != 0.0) & (out != 1.0)
    elif finite.all():
        return out, bad
    else:
        wrong = np.zeros(len(out), bool)
    wrong |= np.isinf(out)
    if wrong.any():
        out, bad = np.where(wrong, np.nan, out), wrong if bad is None else wrong | bad
    return out, bad


def _read_floats(array: np.ndarray, kind: str, tokens: frozenset[str] | set[str]) -> Encoded:
    read: Callable[[Any], float] = {"time": as_seconds, "boolean": as_boolean}.get(kind, as_number)
    out, bad = np.full(len(array), np.nan), []
    for row, value in enumerate(array):
        try:
            if not (is_missing(value) or (isinstance(value, str) and value.strip() in tokens)):
                out[row] = read(value)
        except (TypeError, ValueError, ArithmeticError):
            bad.append(row)
    return out, _mask(bad, len(array))


def _mask(rows: list[int], count: int) -> np.ndarray | None:
    if not rows:
        return None
    mask = np.zeros(count, bool)
    mask[rows] = True
    return mask
