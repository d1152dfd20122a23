# SPDX-License-Identifier: GPL-3.0-only
"""Columns of any container become the graph's inputs; see the table of the package."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .values import InputError, as_boolean, as_number, as_seconds, as_text, is_missing, shown


def encode(columns: Any, contract: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Turn a table's columns into the graph's inputs.

    Args:
        columns: anything that gives a column by its name: a dict of lists, a pandas or polars frame.
        contract: the contract as JSON has it; only `columns` and `missing_tokens` are read.

    Returns:
        Arrays `[N, width]` by column name, in the contract's order; keys are not in it.

    Raises:
        InputError: a column is absent, lengths differ, or a value does not fit the column's kind.
    """
    wanted = [c for c in contract["columns"] if c.get("role") != "key"]
    absent = [c["name"] for c in wanted if c["name"] not in columns]
    if absent:
        raise InputError(f"missing column{'s' if len(absent) > 1 else ''}: {', '.join(map(repr, absent))}")
    tokens = frozenset(contract["missing_tokens"])
    feeds: dict[str, np.ndarray] = {}
    for column in wanted:
        feeds[column["name"]] = array = encode_column(columns[column["name"]], column, tokens)
        rows = len(next(iter(feeds.values())))
        if len(array) != rows:
            raise InputError(f"column {column['name']!r} has {len(array)} rows, the columns before it {rows}")
    return feeds


def encode_column(values: Any, column: Mapping[str, Any], tokens: frozenset[str] | set[str]) -> np.ndarray:
    """Encode one column: float64 or text `[N, width]`; see `encode`."""
    name, kind, width = column["name"], column["kind"], column.get("width", 1)
    cells = _cells(_exact(values) if kind == "category" else values, name, width)
    flat = cells.reshape(-1)
    array = _texts(flat, column, tokens) if kind == "category" else _floats(flat, column, tokens)
    if not column.get("missing", True):
        gaps = np.flatnonzero(array == "" if kind == "category" else np.isnan(array))
        if len(gaps):
            raise InputError(f"column {name!r} may not be missing, row {gaps[0] // width}")
    return array.reshape(-1, width)


def encode_key(values: Any, name: str) -> np.ndarray:
    """Keys as text `[N]`: text as it is, integers exactly, missing as ""."""
    return _texts(_cells(_exact(values), name, 1).reshape(-1), {"name": name, "role": "key"}, frozenset())


def _cells(values: Any, name: str, width: int) -> np.ndarray:
    """A column as a plain array: `[N]`, or object `[N, width]` where a cell holds `width` values."""
    array = _array(values)
    if array.ndim > 1 and array.shape[1:] == (width,):
        return array
    if width == 1:
        if array.dtype == object:
            array = _unwrapped(array)
        if array.ndim > 1:
            raise InputError(f"column {name!r} holds {array.ndim - 1}-dimensional values, one per row is needed")
        return array
    table = np.empty((len(array), width), object)
    for row, cell in enumerate(array):
        if isinstance(cell, str) or not hasattr(cell, "__len__") or len(cell) != width:
            raise InputError(f"column {name!r} needs {width} values in each row, row {row} holds {shown(cell)}")
        table[row] = _array(cell)
    return table


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
        while isinstance(cell, np.ndarray | list | tuple) and np.size(cell) == 1:
            cell = cell.item() if isinstance(cell, np.ndarray) else cell[0]
        flat[row] = cell
    return flat


def _texts(array: np.ndarray, column: Mapping[str, Any], tokens: frozenset[str] | set[str]) -> np.ndarray:
    out = np.empty(len(array), object)
    verbatim = column.get("role") == "key"
    for row, value in enumerate(array):
        try:
            text = "" if is_missing(value) else value if verbatim and isinstance(value, str) else as_text(value)
        except (TypeError, ValueError):
            raise _misfit({**column, "kind": "category"}, row, value) from None
        out[row] = "" if text in tokens else text
    return out


def _floats(array: np.ndarray, column: Mapping[str, Any], tokens: frozenset[str] | set[str]) -> np.ndarray:
    kind = column["kind"]
    if array.dtype.kind in "iuf" or (array.dtype.kind == "b" and kind == "boolean"):
        out = array.astype(np.float64)
    elif array.dtype.kind == "M" and kind == "time":
        out = np.where(np.isnat(array), np.nan, array.astype("datetime64[us]").astype(np.int64) / 1e6)
    else:
        read: Callable[[Any], float] = {"time": as_seconds, "boolean": as_boolean}.get(kind, as_number)
        out = np.empty(len(array), np.float64)
        for row, value in enumerate(array):
            try:
                gap = is_missing(value) or (isinstance(value, str) and value.strip() in tokens)
                out[row] = math.nan if gap else read(value)
            except (TypeError, ValueError, OverflowError):
                raise _misfit(column, row, value) from None
    wrong = np.isinf(out)
    if kind == "integer":
        wrong |= ~np.isnan(out) & (out != np.floor(out))
    elif kind == "boolean":
        wrong |= ~np.isnan(out) & (out != 0.0) & (out != 1.0)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise _misfit(column, row, array[row])
    return out


def _misfit(column: Mapping[str, Any], row: int, value: Any) -> InputError:
    kind, width = column["kind"], column.get("width", 1)
    needed = {
        "number": "a finite number",
        "integer": "an integer",
        "boolean": "true or false",
        "time": "an ISO 8601 time or seconds since 1970 (UTC)",
        "category": "text",
    }[kind]
    return InputError(f"column {column['name']!r} must be {needed}, row {row // width} holds {shown(value)}")
