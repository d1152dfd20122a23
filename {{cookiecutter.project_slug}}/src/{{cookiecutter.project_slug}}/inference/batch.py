"""Scores a table file part by part: keys and predictions come out, memory stays flat."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from ..ports import UserError
from ..utils.files import replacing
from .engine import Engine
from .feature_tables import FeatureTable, add_missing_columns, reader
from .tables import Writer, read_batches
from .wire import InputError, encode_key


def score(
    engine: Engine,
    source: Path,
    target: Path,
    rows: int,
    feature_tables: Path | None = None,
    on_rows: Callable[[int], object] = lambda _: None,
) -> int:
    """Score every row of a CSV or Parquet file.

    Args:
        engine: the servable.
        source: a table with the contract's columns, and its keys where they are to be carried through.
        target: where keys and predictions go, .csv or .parquet; written aside and then renamed.
        rows: rows that are scored at once.
        feature_tables: a directory with feature tables to join instead of the servable's own.
        on_rows: called with the number of rows after each part.

    Returns:
        The number of rows.

    Raises:
        UserError: the table does not fit the contract; nothing is left behind.
    """
    done = 0
    read = reader(feature_tables or engine.folder / "feature_tables")
    with replacing(target) as aside:
        writer = Writer(aside, target.suffix)
        try:
            for part in read_batches(source, rows):
                try:
                    writer.write(_score_part(engine, part, read))
                except InputError as error:
                    where = f" (counted from row {done} of the file)" if done else ""
                    raise UserError(f"{source}: {error}{where}") from None
                done += part.num_rows
                on_rows(part.num_rows)
        finally:
            writer.close()
        if not done:
            raise UserError(f"{source} has no rows")
    return done


def _score_part(engine: Engine, part: pa.Table, read: Callable[[str], FeatureTable]) -> pa.Table:
    columns = add_missing_columns({name: part[name] for name in part.column_names}, engine.contract, read)
    keys = {
        key.name: pa.array(encode_key(part[key.name].to_pylist(), key.name), pa.string())
        for key in engine.contract.keys
        if key.name in part.column_names
    }
    return pa.table({**keys, **engine.flat(engine.run(columns))})
