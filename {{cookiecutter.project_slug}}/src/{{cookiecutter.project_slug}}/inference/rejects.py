"""Rows that break the contract, as a table: the row's number in the input, why, and its original cells."""

import pyarrow as pa

from .wire import Gathered


def rejected(part: pa.Table, misfits: Gathered) -> pa.Table:
    """The rows of a part that `misfits` has reasons for.

    Args:
        part: rows as they were read.
        misfits: the reasons, by position in `part`.

    Returns:
        `row` (int64, counted from 0 in the file), `reason` (all of them, separated by `; `), and the part's columns. A
        name that the part has itself gets an underscore.
    """
    rows = sorted(misfits.reasons)
    cells = part.take(pa.array(rows, pa.int64()))
    columns = {
        _free("row", part): pa.array([misfits.first + row for row in rows], pa.int64()),
        _free("reason", part): pa.array(["; ".join(misfits.reasons[row]) for row in rows], pa.string()),
    }
    return pa.table(columns | {name: _plain(cells[name]) for name in part.column_names})


def _free(name: str, part: pa.Table) -> str:
    while name in part.column_names:
        name += "_"
    return name


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column without a dictionary, which may differ from part to part."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
