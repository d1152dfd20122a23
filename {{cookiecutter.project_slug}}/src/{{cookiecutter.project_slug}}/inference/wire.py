# SPDX-License-Identifier: GPL-3.0-only
"""Wire encoding: the only code between a request and a servable's graph, and the registry format's loader.

Standard library and numpy alone (onnxruntime and pandas where the servable runs), and no import of the package: the
file is shipped inside every registered model, under a name that holds the hash of its content.

| column                          | tensor                             | missing |
| ------------------------------- | ---------------------------------- | ------- |
| number, integer, boolean, time  | float64 `[N, width]`               | NaN     |
| category                        | object array of str `[N, width]`   | ""      |
"""

import datetime
import json
import math
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_PLAIN: dict[str, set[type]] = {
    "number": {float, int}, "time": {float, int}, "integer": {int}, "boolean": {bool}, "category": {str},
}  # fmt: skip
"""Types of a column's cells that need no second look."""
_INTEGRAL = re.compile(r"-?\d+\.0+", re.ASCII)


class InputError(ValueError):
    """Bad input: one line that names column, row and value."""


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
    at_once, rows = _at_once(columns, wanted, tokens), None
    for column in wanted:
        name = column["name"]
        array = at_once[name] if name in at_once else encode_column(columns[name], column, tokens)
        feeds[name] = array
        rows = len(array) if rows is None else rows
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
        gaps = array == "" if kind == "category" else np.isnan(array)
        if gaps.any():
            raise InputError(f"column {name!r} may not be missing, row {gaps.argmax() // width}")
    return array.reshape(-1, width)


def encode_key(values: Any, name: str) -> np.ndarray:
    """Keys as text `[N]`: text as it is, integers exactly, missing as ""."""
    return _texts(_cells(_exact(values), name, 1).reshape(-1), {"name": name, "role": "key"}, frozenset())


def is_missing(value: Any) -> bool:
    """None, NaN, NaT and pandas' NA."""
    return value is None or type(value).__name__ in ("NAType", "NaTType") or bool(value != value)


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
            raise InputError(f"column {name!r} needs {width} values in each row, row {row} holds {_shown(cell)}")
        table[row] = _array(cell)
    return table


def _at_once(columns: Any, wanted: list[Mapping[str, Any]], tokens: frozenset[str] | set[str]) -> dict[str, np.ndarray]:
    """The columns that are lists of numbers alone or of text alone, as JSON gives them, in a tenth of the time.

    What is missing or odd in any way is left to `encode_column`, which says what is wrong with it.
    """
    numbers, feeds = {}, {}
    for column in wanted if type(columns) is dict else ():
        name, values = column["name"], columns[column["name"]]
        if type(values) is not list or column.get("width", 1) != 1:
            continue
        if not _PLAIN[column["kind"]].issuperset(map(type, values)):
            continue
        if column["kind"] != "category":
            numbers[name] = values
        else:
            texts = _texts_at_once(values)
            if tokens.isdisjoint(texts) and "" not in texts:
                feeds[name] = np.array(texts, object).reshape(-1, 1)
    try:
        block = np.array(list(numbers.values()), np.float64)
    except (OverflowError, ValueError):  # an integer beyond float64, columns of different lengths
        return feeds
    if np.isfinite(block).all():
        feeds.update((name, row.reshape(-1, 1)) for name, row in zip(numbers, block, strict=True))
    return feeds


def _texts_at_once(values: list[str]) -> list[str]:
    try:
        return [_text(value) for value in values]
    except ValueError:  # half of a surrogate pair
        return [""]


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
            text = "" if is_missing(value) else value if verbatim and isinstance(value, str) else _text(value)
        except (TypeError, ValueError):
            raise _misfit({**column, "kind": "category"}, row, value) from None
        out[row] = "" if text in tokens else text
    return out


def _text(value: Any) -> str:
    """One spelling per value, whatever reader it came through: `5` for 5, 5.0 and "5.0"; `true` for True and "True"."""
    if isinstance(value, str):
        if value in ("True", "TRUE", "False", "FALSE"):
            return value.lower()
        value.encode()  # half of a surrogate pair is no text
        return value.partition(".")[0] if _INTEGRAL.fullmatch(value) else value
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    if isinstance(value, bytes | list | tuple | dict | set | np.ndarray) or value == math.inf or value == -math.inf:
        raise TypeError(value)
    text = str(value)
    return text.partition(".")[0] if _INTEGRAL.fullmatch(text) else text  # a Decimal


def _floats(array: np.ndarray, column: Mapping[str, Any], tokens: frozenset[str] | set[str]) -> np.ndarray:
    kind = column["kind"]
    if array.dtype.kind in "iuf" or (array.dtype.kind == "b" and kind == "boolean"):
        out = array.astype(np.float64)
    elif array.dtype.kind == "M" and kind == "time":
        out = np.where(np.isnat(array), np.nan, array.astype("datetime64[us]").astype(np.int64) / 1e6)
    else:
        read: Callable[[Any], float] = {"time": _seconds, "boolean": _boolean}.get(kind, _number)
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
    return InputError(f"column {column['name']!r} must be {needed}, row {row // width} holds {_shown(value)}")


def _shown(value: Any) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _number(value: Any) -> float:
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value.strip()):
            raise ValueError(value)
    elif isinstance(value, bool | np.bool_ | datetime.date | np.datetime64 | bytes):
        raise TypeError(value)
    return float(value)


def _boolean(value: Any) -> float:
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return float(value.strip().lower() == "true")
    return float(value) if isinstance(value, bool | np.bool_) else _number(value)


def _seconds(value: Any) -> float:
    if isinstance(value, str):
        text = value.strip()
        if len(text) == 8 and text.isdigit():
            raise ValueError(text)  # 20200101 is meant as a date by people, and read as a number by most readers
        if _NUMBER.fullmatch(text):
            return float(text)
        value = datetime.datetime.fromisoformat(text)
    if isinstance(value, np.datetime64):
        return float(value.astype("datetime64[us]").astype(np.int64)) / 1e6
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        value = datetime.datetime(value.year, value.month, value.day)
    if isinstance(value, datetime.datetime):
        zoned = value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
        return (zoned - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)).total_seconds()
    return _number(value)


def as_columns(data: Any) -> Any:
    """A frame, an Arrow table, a list of records, a dict of columns or one record, as columns by name.

    Raises:
        InputError: it is none of them.
    """
    if hasattr(data, "column_names"):  # pyarrow
        return {name: data[name] for name in data.column_names}
    if hasattr(data, "columns"):  # pandas, polars
        return data
    if isinstance(data, list) and all(isinstance(record, dict) for record in data):
        names = dict.fromkeys(name for record in data for name in record)
        return {name: [record.get(name) for record in data] for name in names}
    if isinstance(data, dict):
        return {
            name: value if hasattr(value, "__len__") and not isinstance(value, str) and np.ndim(value) else [value]
            for name, value in data.items()
        }
    raise InputError(f"cannot read a table from {type(data).__name__}: give a data frame, records or columns")


class Servable:
    """A servable's directory, loaded: `run` for arrays, `predict` for data frames.

    Args:
        folder: the directory with `model.onnx` and `contract.json`.
        threads: threads of one inference; 0 lets onnxruntime choose.
    """

    def __init__(self, folder: str, threads: int | None = None) -> None:
        import onnxruntime

        with open(os.path.join(folder, "contract.json"), encoding="utf-8") as file:  # noqa: PTH118, PTH123
            self.document: dict[str, Any] = json.load(file)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ.get("SERVABLE_THREADS", "0")) if threads is None else threads
        options.log_severity_level = 3
        graph = os.path.join(folder, "model.onnx")  # noqa: PTH118
        self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self.outputs: list[str] = [output.name for output in self.session.get_outputs()]

    def run(self, columns: Any) -> dict[str, np.ndarray]:
        """Predictions `[N, width]` by output name, for columns as `encode` takes them."""
        return self.run_encoded(encode(columns, self.document))

    def run_encoded(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Predictions for columns that are encoded already.

        Raises:
            InputError: a row has no finite prediction: an input is far beyond what float32 holds.
        """
        answers = dict(zip(self.outputs, self.session.run(self.outputs, dict(feeds)), strict=True))
        for name, array in answers.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                row = int(np.isfinite(array).all(axis=1).argmin())
                raise InputError(f"row {row} has no finite {name}: look for an input far from what training saw")
        return answers

    def flat(self, outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs as table columns `[N]`: probabilities become `<target>_probabilities_<class>`."""
        suffixes = {
            f"{target['name']}_probabilities": [str(label) for label in target["classes"]]
            for target in self.document["targets"]
            if target.get("classes")
        }
        flat = {}
        for name, array in outputs.items():
            if array.shape[1] == 1:
                flat[name] = array[:, 0]
            else:
                names = suffixes.get(name, [str(position) for position in range(array.shape[1])])
                flat.update({f"{name}_{suffix}": array[:, i] for i, suffix in enumerate(names)})
        return flat

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:  # noqa: ARG002
        """MLflow's door: any table in, a data frame out, with the index of the frame that came in."""
        import pandas

        try:
            outputs = self.run(as_columns(model_input))
        except InputError as error:
            raise _as_bad_request(error) from None
        frame = hasattr(model_input, "columns") and hasattr(model_input, "index")
        return pandas.DataFrame(self.flat(outputs), index=model_input.index if frame else None)


def _as_bad_request(error: InputError) -> Exception:
    """The error that `mlflow models serve` answers with 400, where MLflow is there; else the error itself."""
    try:
        from mlflow.exceptions import MlflowException
    except ImportError:
        return error
    bad: Exception = MlflowException.invalid_parameter_value(str(error))
    return bad


def _load_pyfunc(path: str) -> Servable:
    return Servable(path)
