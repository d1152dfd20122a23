"""Scores an uploaded table through the API: predictions beside the original columns, and why other rows have none."""

import io
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from {{ cookiecutter.project_slug }}.inference.rejects import rejected
from {{ cookiecutter.project_slug }}.inference.tables import Writer, read_table
from {{ cookiecutter.project_slug }}.inference.unusual import Unusual, describe
from {{ cookiecutter.project_slug }}.inference.wire import (
    Gathered,
    InputError,
    encode,
    encode_key,
)
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.contract import Column, Contract

from .answers import Answer
from .client import Api, ApiError, RefusedError
from .served import Served, title

_ROW = re.compile(r"\brow \d+\b")
TOO_MUCH = 413


@dataclass(frozen=True)
class Scored:
    """What became of a table."""

    table: pa.Table
    """The rows that have a prediction: their original columns, then the predictions. It may be empty."""
    rejects: pa.Table | None
    """`row`, `reason` and the original columns of the others; None where there are none."""
    kept: np.ndarray
    """Numbers of the rows in `table`, from 0."""
    predictions: Mapping[str, pa.Array]
    """The last columns of `table`, under the names that the service gives them."""
    model: Mapping[str, str | None]
    """Which model answered, for every row the same."""
    warnings: list[str]
    """Columns with values that training never saw."""
    suffix: str
    """The format of the file that it came in."""

    @cached_property
    def file(self) -> bytes:
        """`table` as a file of the same format."""
        return as_file(self.table, self.suffix)

    @cached_property
    def rejects_file(self) -> bytes:
        """`rejects` as a file of the same format; empty where there are none."""
        return b"" if self.rejects is None else as_file(self.rejects, self.suffix)


def score(
    api: Api, served: Served, path: Path, called: str, rows: int, on_rows: Callable[[int, int], object]
) -> Scored:
    """Read a CSV or Parquet file and ask for the prediction of each row that keeps the contract.

    Args:
        api: the service.
        served: what it serves.
        path: the file, with the suffix of its format.
        called: what its owner calls it.
        rows: of one request; fewer where the service refuses so many.
        on_rows: told how many rows are done, and of how many.

    Raises:
        UserError: the table as a whole does not fit, or the service does not answer.
    """
    table = read_table(path, called=called)
    columns = {name: table[name].combine_chunks() for name in table.column_names}
    misfits = Gathered()
    contract = served.contract
    document = contract.model_dump(mode="json")
    try:
        feeds = encode(columns, document, misfits)
        keys = {
            k.name: encode_key(columns[k.name].to_pylist(), k.name, misfits) for k in contract.keys if k.name in columns
        }
    except InputError as error:
        raise UserError(f"{called}: {error} (wanted by {served.title})") from None
    fits = np.array([row for row in range(table.num_rows) if row not in misfits.reasons], np.int64)
    cells = {column.name: as_json(column, feeds[column.name][fits]) for column in contract.inputs}
    cells |= {name: [text or None for text in texts[fits].tolist()] for name, texts in keys.items()}
    asker = _Asker(api, contract, cells, fits, misfits, rows, lambda done: on_rows(done, len(fits)))
    asker.ask_all()
    refused = misfits.reasons
    kept = np.array([row for row in fits.tolist() if row not in refused], np.int64)
    predictions = _joined(asker.answers, served)
    usable = {name: array[kept] for name, array in feeds.items()}
    unusual = Unusual(contract).count(usable)
    return Scored(
        table=_beside(table.take(pa.array(kept)), predictions),
        rejects=rejected(table, misfits) if refused else None,
        kept=kept,
        predictions=predictions,
        model=asker.answers[0].model if asker.answers else served.identity,
        suffix=path.suffix,
        warnings=[describe(column, unusual[column.name]) for column in contract.inputs if column.name in unusual],
    )


class _Asker:
    """Asks slice by slice; halves a slice that is refused until the row at fault is alone."""

    def __init__(
        self,
        api: Api,
        contract: Contract,
        cells: Mapping[str, list[Any]],
        numbers: np.ndarray,
        misfits: Gathered,
        size: int,
        on_rows: Callable[[int], object],
    ) -> None:
        self._api, self._contract = api, contract
        self._cells, self._numbers, self._misfits = cells, numbers, misfits
        self._size, self._on_rows = size, on_rows
        self.answers: list[Answer] = []

    def ask_all(self) -> None:
        start, total = 0, len(self._numbers)
        while start < total:
            stop = min(start + self._size, total)
            self._ask(start, stop)
            self._on_rows(stop)
            start = stop

    def _ask(self, start: int, stop: int) -> None:
        try:
            columns = {name: cells[start:stop] for name, cells in self._cells.items()}
            answer = self._api.predict(columns, self._contract)
        except RefusedError as error:
            if error.status != TOO_MUCH and not _ROW.search(str(error)):
                raise
            if stop - start == 1:
                number = int(self._numbers[start])
                self._misfits.add(number, _ROW.sub(f"row {number}", str(error)))
                return
            middle = (start + stop) // 2
            if error.status == TOO_MUCH:
                self._size = min(self._size, middle - start)
            self._ask(start, middle)
            self._ask(middle, stop)
            return
        if self.answers and answer.model != self.answers[0].model:
            before, now = title(self.answers[0].model), title(answer.model)
            raise ApiError(f"the model changed from {before} to {now} while the table was scored: score it again")
        self.answers.append(answer)


def as_json(column: Column, array: np.ndarray) -> list[Any]:
    """Encoded cells `[N, width]` as the service takes them; a width above 1 is a list in each row."""
    if column.kind == "category":
        rows = [[text or None for text in row] for row in array.tolist()]
    else:
        plain = {"boolean": bool, "integer": int}.get(column.kind, float)
        rows = [[None if value != value else plain(value) for value in row] for row in array.tolist()]
    return rows if column.width > 1 else [row[0] for row in rows]


def as_file(table: pa.Table, suffix: str) -> bytes:
    """The bytes of a CSV or Parquet file."""
    buffer = io.BytesIO()
    writer = Writer(buffer, suffix)
    writer.write(table)
    writer.close()
    return buffer.getvalue()


def _joined(answers: list[Answer], served: Served) -> dict[str, pa.Array]:
    parts = [answer.flat(served.contract) for answer in answers]
    names = list(parts[0]) if parts else []
    return {name: _whole([part[name] for part in parts]) for name in names}


def _whole(parts: list[np.ndarray | list[Any]]) -> pa.Array:
    """One column of all slices. Of one slice alone its type cannot be told: a rule's field may be null there."""
    if isinstance(parts[0], np.ndarray):
        return pa.array(np.concatenate(parts))
    cells = [cell for part in parts for cell in part]
    try:
        return pa.array(cells)
    except pa.ArrowException:  # a field of several types
        return pa.array([json.dumps(cell, ensure_ascii=False) for cell in cells])


def _beside(table: pa.Table, predictions: Mapping[str, pa.Array]) -> pa.Table:
    """Predictions after the original columns; a name that is taken gets an underscore."""
    for name, array in predictions.items():
        table = table.append_column(free(name, table.column_names), array)
    return table


def free(name: str, taken: Collection[str]) -> str:
    """The name, with underscores where it is taken."""
    while name in taken:
        name += "_"
    return name
