"""What is in the columns of a raw table: gaps and different values, counted over all rows."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
"""What the wire encoding reads as a number."""

Stored = Literal["text", "integer", "number", "boolean", "time", "other"]


@dataclass(frozen=True)
class RawColumn:
    """One column: how it is stored, and the values that differ."""

    name: str
    stored: Stored
    cells: pa.ChunkedArray
    """As they were read, dictionaries opened."""
    values: pa.Array
    """The different ones that are not missing, `[K]`."""
    counts: np.ndarray
    """Rows of each, int64 `[K]`."""
    gaps: int
    """Rows without a value."""
    marks: dict[str, int]
    """Texts that mean a gap in this table alone, with their rows."""

    @property
    def filled(self) -> int:
        """Rows with a value."""
        return int(self.counts.sum())

    @cached_property
    def texts(self) -> pa.Array:
        """The values as texts, without white space around them."""
        return pc.utf8_trim_whitespace(self.values.cast(pa.string()))

    def like(self, pattern: str) -> np.ndarray:
        """Which values match a regular expression, bool `[K]`."""
        found: np.ndarray = pc.match_substring_regex(self.texts, pattern).to_numpy(zero_copy_only=False)
        return found

    @cached_property
    def numbers(self) -> np.ndarray:
        """The values as the wire encoding reads numbers, float64 `[K]`; NaN where it does not, or is infinite."""
        if self.stored in ("integer", "number"):
            numbers = self.values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        elif self.stored == "text":
            numeric = self.like(NUMBER)
            numbers = np.full(len(self.values), np.nan)
            numbers[numeric] = _floats(self.texts.filter(pa.array(numeric)))
        else:
            return np.full(len(self.values), np.nan)
        return np.where(np.isinf(numbers), np.nan, numbers)

    def row_of(self, position: int) -> int:
        """The first row that holds a value, counted from 0 without the header."""
        return int(pc.index(self.cells, self.values[position]).as_py())

    def first(self, mask: np.ndarray) -> tuple[int, str]:
        """The first row that holds one of some values, and that value as people read it."""
        rows = pc.index_in(self.cells, value_set=self.values.filter(pa.array(mask)))
        row = int(pc.index(pc.is_valid(rows), True).as_py())
        return row, str(self.cells[row].as_py())


def raw_column(name: str, cells: pa.ChunkedArray, tokens: AbstractSet[str], marks: AbstractSet[str]) -> RawColumn:
    """Count a column.

    Args:
        name: of the column.
        cells: as the file holds them.
        tokens: texts that mean a gap.
        marks: those of them that are this table's own.
    """
    if pa.types.is_dictionary(cells.type):
        cells = pa.chunked_array([chunk.dictionary_decode() for chunk in cells.chunks], cells.type.value_type)
    stored = _stored(cells.type)
    if stored == "other":
        return RawColumn(name, stored, cells, pa.array([], cells.type), np.zeros(0, np.int64), 0, {})
    if pa.types.is_float16(cells.type) or pa.types.is_decimal(cells.type):
        cells = cells.cast(pa.float64())
    if stored == "text":
        cells = cells.cast(pa.string())
    counted = pc.value_counts(cells)
    values, counts = counted.field("values"), counted.field("counts").to_numpy()
    own: dict[str, int] = {}
    if stored == "text":
        trimmed = pc.utf8_trim_whitespace(values)
        missing = _is_gap(trimmed, tokens)
        for mark in sorted(marks):
            rows = int(counts[pc.fill_null(pc.equal(trimmed, mark), False).to_numpy(zero_copy_only=False)].sum())
            own |= {mark: rows} if rows else {}
    else:
        missing = pc.is_null(values, nan_is_null=True)
    gap = missing.to_numpy(zero_copy_only=False)
    return RawColumn(name, stored, cells, values.filter(pa.array(~gap)), counts[~gap], int(counts[gap].sum()), own)


def has_value(cells: pa.ChunkedArray, tokens: AbstractSet[str]) -> np.ndarray:
    """Which rows of a column, as `RawColumn` holds it, have a value, bool `[N]`."""
    if pa.types.is_string(cells.type):
        missing = _is_gap(pc.utf8_trim_whitespace(cells), tokens)
    else:
        missing = pc.is_null(cells, nan_is_null=True)
    found: np.ndarray = ~missing.to_numpy()
    return found


def _is_gap(texts: pa.Array | pa.ChunkedArray, tokens: AbstractSet[str]) -> pa.Array | pa.ChunkedArray:
    return pc.or_(pc.is_null(texts), pc.is_in(texts, value_set=pa.array(sorted(tokens), pa.string())))


def _stored(kind: pa.DataType) -> Stored:
    is_a = pa.types
    if is_a.is_string(kind) or is_a.is_large_string(kind) or is_a.is_string_view(kind) or is_a.is_null(kind):
        return "text"
    if is_a.is_boolean(kind):
        return "boolean"
    if is_a.is_integer(kind):
        return "integer"
    if is_a.is_floating(kind) or is_a.is_decimal(kind):
        return "number"
    return "time" if is_a.is_timestamp(kind) or is_a.is_date(kind) else "other"


def _floats(texts: pa.Array) -> np.ndarray:
    try:
        return texts.cast(pa.float64()).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
    except pa.ArrowInvalid:  # a sign or a bare point that Python reads and Arrow does not
        return np.array([float(text) for text in texts.to_pylist()], np.float64)
