"""Scores a table file part by part: keys and predictions come out, rows that do not fit go to a file of their own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from loguru import logger

from ..ports import UserError
from ..utils.files import aside_of, writing
from .engine import Engine
from .feature_tables import FeatureTable, add_missing_columns, reader
from .parts import REJECTED, SCORED, Counts, Part, Parts
from .rejects import rejected
from .tables import check_suffix, read_batches
from .unusual import Unusual
from .wire import Gathered, InputError, encode_key

FORMAT = 1
"""Of the finished parts; a new one starts every output anew."""


@dataclass(frozen=True)
class Files:
    """What is read and what is written.

    Raises:
        UserError: one would replace another, or is of no format that can be written.
    """

    source: Path
    """A table with the contract's columns, and its keys where they are to be carried through; .csv or .parquet."""
    target: Path
    """Keys and predictions; .csv or .parquet."""
    rejects: Path
    """Rows that break the contract; only there when some do."""

    @classmethod
    def of(cls, source: Path, target: Path, rejects: Path | None = None) -> "Files":
        """The rejects are `<target's stem>.rejects<suffix>` unless they are named."""
        return cls(source, target, rejects or target.with_name(f"{target.stem}.rejects{target.suffix}"))

    def __post_init__(self) -> None:
        taken = {self.source.resolve(): "the input"}
        for path, what in ((self.target, "the output"), (self.rejects, "the rejects")):
            check_suffix(path.suffix)
            if path.is_dir():
                raise UserError(f"{path} is a directory: name a file for {what}")
            if path.resolve() in taken:
                raise UserError(f"{what} would replace {taken[path.resolve()]}, {path}: give it another name")
            taken[path.resolve()] = what


def score(
    engine: Engine,
    source: Path,
    target: Path,
    rows: int,
    feature_tables: Path | None = None,
    on_rows: Callable[[int], object] = lambda _: None,
    *,
    rejects: Path | None = None,
    part_rows: int | None = None,
    title: str | None = None,
) -> Counts:
    """Score the rows of a CSV or Parquet file that keep the contract, and write down why the others do not.

    Finished parts are kept beside the output until all are there. Output and rejects are then written aside and
    renamed, the rejects first. A run that was killed at any moment is finished by another one.

    Args:
        engine: the servable.
        source: see `Files`.
        target: see `Files`.
        rows: rows that are scored at once.
        feature_tables: a directory with feature tables to join instead of the servable's own.
        on_rows: called with the number of rows after each step.
        rejects: see `Files`.
        part_rows: rows of a part that is kept when it is finished; None: as many as are scored at once.
        title: how messages call the servable.

    Returns:
        What became of the rows, those of an earlier run that was killed included.

    Raises:
        UserError: the table as a whole or each of its rows breaks the contract; no output is written then.
        WriteError: there is no room, or no right; what is finished is kept.
    """
    files = Files.of(source, target, rejects)
    size = part_rows or rows
    identity = _identity(engine, source, feature_tables, rows, size)
    with Parts.of(target, identity) as parts:
        _greet(parts, target)
        done = sum(parts.counts, Counts())
        on_rows(done.rows)
        scorer = _Scorer(engine, reader(feature_tables or engine.folder / "feature_tables"))
        try:
            texts = [column.name for column in engine.contract.inputs if column.kind == "category"]
            batches = read_batches(source, rows, done.rows, texts)
            for part in _scored(scorer, batches, done.rows, rows, size, on_rows):
                parts.add(part)
        except InputError as error:
            raise UserError(f"{source}: {error} (wanted by {title or engine.contract.name})") from None
        done = sum(parts.counts, Counts())
        if not done.rows:
            raise UserError(f"{source} has no rows")
        if _identity(engine, source, feature_tables, rows, size) != identity:
            raise UserError(f"{source} or its feature tables changed while they were read: run it again")
        _publish(parts, files, done)
    if not done.scored:
        first = done.first_reason
        if files.target.exists():
            first = f"{first}; {files.target} is of an earlier run"
        raise UserError(f"{source}: every row breaks the contract, see {files.rejects}; the first: {first}")
    return done


class _Scorer:
    def __init__(self, engine: Engine, read: Callable[[str], FeatureTable]) -> None:
        self._engine, self._read, self._unusual = engine, read, Unusual(engine.contract)

    def score(self, table: pa.Table, first: int, part: Part) -> None:
        """Add some rows to a part; `first` is the number of the first one."""
        misfits = Gathered(first)
        feeds, answers = self._predict(table, misfits)
        why = None
        if misfits.reasons:
            fits = np.ones(table.num_rows, bool)
            fits[list(misfits.reasons)] = False
            feeds = {name: array[fits] for name, array in feeds.items()}
            answers = answers.filter(pa.array(fits))
            part.rejected.append(rejected(table, misfits))
            why = misfits.reasons[min(misfits.reasons)][0]
        if answers.num_rows:
            part.scored.append(answers)
        part.counts += Counts(table.num_rows, len(misfits.reasons), why, self._unusual.count(feeds))

    def _predict(self, table: pa.Table, misfits: Gathered) -> tuple[dict[str, np.ndarray], pa.Table]:
        """Encoded inputs, keys and predictions of every row; what is said of those in `misfits` means nothing."""
        contract = self._engine.contract
        columns = {name: _whole(table[name]) for name in table.column_names}
        late = Gathered(misfits.first)  # the encoding tells of them too, but for a time that is no input
        joined = add_missing_columns(columns, contract, self._read, late)
        feeds = self._engine.encode(joined, misfits)
        keys = {key.name: _key(columns[key.name], key.name, misfits) for key in contract.keys if key.name in columns}
        infinite = Gathered(misfits.first)
        outputs = self._engine.run_encoded(feeds, infinite)
        for others in (late, infinite):
            for row in others.reasons.keys() - misfits.reasons.keys():
                misfits.reasons[row] = others.reasons[row]
        return feeds, pa.table(keys | self._engine.flat(outputs))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array; numpy reads it without a copy where its kind allows that."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _key(column: pa.Array, name: str, misfits: Gathered) -> pa.Array:
    """A key as text, "" where it is missing."""
    if pa.types.is_string(column.type) or pa.types.is_integer(column.type):
        return column.cast(pa.string()).fill_null("")
    return pa.array(encode_key(column.to_pylist(), name, misfits), pa.string())


def _scored(
    scorer: _Scorer, batches: Iterator[pa.Table], first: int, rows: int, size: int, on_rows: Callable[[int], object]
) -> Iterator[Part]:
    """The rows in parts of `size`, but for the last."""
    part = Part()
    for table in _cut(batches, rows, size):
        scorer.score(table, first + part.counts.rows, part)
        on_rows(table.num_rows)
        if part.counts.rows == size:
            yield part
            first, part = first + size, Part()
    if part.counts.rows:
        yield part


def _cut(batches: Iterator[pa.Table], rows: int, size: int) -> Iterator[pa.Table]:
    """Tables of `rows`, but for the last of each part of `size`, however they were read: the same after a kill."""
    waiting: list[pa.Table] = []
    held, left = 0, size
    for batch in batches:
        waiting.append(batch)
        held += batch.num_rows
        while held >= (wanted := min(rows, left)):
            whole = pa.concat_tables(waiting)
            yield whole.slice(0, wanted)
            held, left = held - wanted, left - wanted or size
            waiting = [whole.slice(wanted)] if held else []
    if held:
        yield pa.concat_tables(waiting)


def _identity(engine: Engine, source: Path, feature_tables: Path | None, rows: int, size: int) -> dict[str, Any]:
    """What the finished parts depend on. The servable's own feature tables are part of its digest."""
    names = {column.source.table for column in engine.contract.inputs if column.source is not None}
    others = [feature_tables / f"{name}.parquet" for name in sorted(names)] if feature_tables else []
    stamps = [(str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns) for f in (source, *others) if f.is_file()]
    return {"format": FORMAT, "servable": engine.digest, "files": stamps, "rows": rows, "part_rows": size}


def _greet(parts: Parts, target: Path) -> None:
    if parts.dropped:
        logger.warning("{}: finished parts of another input, model or setting are dropped", target)
    if parts.counts:
        done = sum(parts.counts, Counts()).rows
        logger.info("{}: {:,} rows are finished from a run that did not end; it goes on from there", target, done)


def _publish(parts: Parts, files: Files, done: Counts) -> None:
    """Rejects and output appear, in this order; the parts go later, so that a kill in between can be mended."""
    output = parts.folder / f"output{files.target.suffix}"
    if done.scored:
        parts.join(SCORED, output, files.target.suffix)
    if done.rejected:
        parts.join(REJECTED, files.rejects, files.rejects.suffix)
    else:
        with writing(files.rejects):
            for path in (files.rejects, aside_of(files.rejects)):
                path.unlink(missing_ok=True)
    if done.scored:
        with writing(files.target):
            output.replace(files.target)
