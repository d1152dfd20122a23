"""CSV and Parquet files, read and written part by part. A CSV file's cells stay text: the wire encoding reads them."""

import json
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from ..ports import UserError
from .csv_troubles import trouble_at_start, trouble_of_encoding

BLOCK = 4 * 1024 * 1024
"""Bytes of a CSV file that are parsed at once."""
PARQUET = (".parquet", ".pq")


def read_batches(
    path: Path, rows: int, start: int = 0, texts: Collection[str] = (), *, called: object = None
) -> Iterator[pa.Table]:
    """The table from row `start` on in parts of at most `rows` rows, so that memory stays flat.

    Args:
        path: a .csv or .parquet file.
        rows: of a part.
        start: rows at the beginning that are left out.
        texts: columns that may come as Arrow dictionaries, which is faster for text with few distinct values.
        called: what errors call the file, where `path` is a copy that its owner does not know.

    Raises:
        UserError: the file is absent, of another format, or broken.
    """
    name = called or path
    if not path.is_file():
        raise UserError(f"there is no file {name}")
    try:
        if path.suffix == ".csv":
            yield from _without(start, _csv(path, rows, name))
        elif path.suffix in PARQUET:
            yield from _parquet(path, rows, start, texts, name)
        else:
            raise UserError(f"{name} is neither .csv nor .parquet")
    except (pa.ArrowException, UnicodeDecodeError) as error:
        encoding = isinstance(error, UnicodeDecodeError) or "UTF8" in str(error)
        why = (trouble_of_encoding(path) if encoding else None) or str(error).splitlines()[0]
        raise UserError(f"cannot read {name}: {why}") from None


def read_table(path: Path, *, called: object = None) -> pa.Table:
    """The whole table; see `read_batches`."""
    parts = list(read_batches(path, 1_000_000, called=called))
    if not sum(part.num_rows for part in parts):
        raise UserError(f"{called or path} has no rows")
    return pa.concat_tables(parts)


def _csv(path: Path, rows: int, name: object) -> Iterator[pa.Table]:
    trouble = trouble_at_start(path)
    if trouble:
        raise UserError(f"cannot read {name}: {trouble}")
    with pyarrow.csv.open_csv(path, pyarrow.csv.ReadOptions(block_size=BLOCK)) as reader:
        names = list(reader.schema.names)
    _check_names(name, names)
    text = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
    # in a table of one column an empty line is a row with a gap
    quoting = pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=len(names) > 1)
    with pyarrow.csv.open_csv(path, pyarrow.csv.ReadOptions(block_size=BLOCK), quoting, text) as reader:
        for batch in reader:
            whole = pa.Table.from_batches([batch])
            for start in range(0, whole.num_rows, rows):
                yield whole.slice(start, rows)


def _parquet(path: Path, rows: int, start: int, texts: Collection[str], name: object) -> Iterator[pa.Table]:
    schema = pyarrow.parquet.read_schema(path)
    _check_names(name, schema.names)
    texts = [text for text in texts if text in schema.names and pa.types.is_string(schema.field(text).type)]
    with pyarrow.parquet.ParquetFile(path, read_dictionary=texts) as file:
        for group in range(file.num_row_groups):
            size = file.metadata.row_group(group).num_rows
            if start < size:
                # over all groups at once pyarrow 25 holds on to bytes that it has read
                batches = (_plain(pa.Table.from_batches([batch])) for batch in file.iter_batches(rows, [group]))
                yield from _without(start, batches)
            start = max(0, start - size)


def _plain(part: pa.Table) -> pa.Table:
    """Columns of the types that everything in Arrow can handle: no views, no extensions."""
    for position, field in enumerate(part.schema):
        kind = field.type
        if isinstance(kind, pa.BaseExtensionType):
            storage = [chunk.storage for chunk in part[position].chunks]
            part = part.set_column(position, field.name, pa.chunked_array(storage, kind.storage_type))
        elif pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
            large = pa.large_string() if pa.types.is_string_view(kind) else pa.large_binary()
            part = part.set_column(position, field.name, part[position].cast(large))
    return part


def _without(start: int, parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
    for part in parts:
        if start < part.num_rows:
            yield part.slice(start)
        start = max(0, start - part.num_rows)


def row_count(path: Path) -> int | None:
    """The number of rows where the file itself says it: a Parquet file that can be read."""
    if path.suffix not in PARQUET or not path.is_file():
        return None
    try:
        return int(pyarrow.parquet.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError):  # reading it says what is wrong
        return None


def _check_names(file: object, names: list[str]) -> None:
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise UserError(f"{file} has two columns named {twice[0]!r}: rename one")


class Writer:
    """Writes a table part by part into a file, as CSV or Parquet by the suffix."""

    def __init__(self, file: BinaryIO, suffix: str) -> None:
        check_suffix(suffix)
        self._file, self._csv = file, suffix == ".csv"
        self._writer: pyarrow.csv.CSVWriter | pyarrow.parquet.ParquetWriter | None = None

    def write(self, part: pa.Table) -> None:
        """Append rows; the first part settles the columns."""
        if self._csv:
            part = _flat(part)
        if self._writer is None:
            self._writer = pyarrow.csv.CSVWriter(self._file, part.schema) if self._csv else self._parquet(part.schema)
        self._writer.write_table(part)

    def _parquet(self, schema: pa.Schema) -> pyarrow.parquet.ParquetWriter:
        texts = [field.name for field in schema if pa.types.is_string(field.type)]  # numbers seldom repeat
        return pyarrow.parquet.ParquetWriter(self._file, schema, use_dictionary=texts)

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.close()


def check_suffix(suffix: str) -> None:
    """Refuse what cannot be written.

    Raises:
        UserError: the suffix is of neither format.
    """
    if suffix not in (".csv", *PARQUET):
        raise UserError(f"cannot write {suffix or 'a file without a suffix'}: name it .csv or .parquet")


def _flat(part: pa.Table) -> pa.Table:
    """Lists and structures as JSON text, bytes as hexadecimal text: what a CSV file's cells can hold."""
    for position, field in enumerate(part.schema):
        kind = field.type
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
            texts = [None if cell is None else cell.hex() for cell in part[position].to_pylist()]
            part = part.set_column(position, field.name, pa.array(texts, pa.string()))
        elif pa.types.is_nested(kind):
            cells = part[position].to_pylist()
            texts = [None if cell is None else json.dumps(cell, ensure_ascii=False, default=str) for cell in cells]
            part = part.set_column(position, field.name, pa.array(texts, pa.string()))
    return part
