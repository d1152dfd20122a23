"""What each column of a table is for, guessed from its values and its name, with the reason."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow.compute as pc

from ..schemas.contract import Kind
from ..schemas.guesses import SchemaConfig
from . import patterns
from .raw import RawColumn

EXACT = 2.0**53
"""Whole numbers beyond it are not told apart by float64."""


@dataclass(frozen=True)
class Guess:
    """One column of `config/data/<name>.yaml`."""

    name: str
    kind: Kind
    why: str
    """What was seen, for the comment behind `# guessed:`."""
    role: Literal["feature", "key", "time", "ignored"] = "feature"
    missing: bool = False
    """Whether there are gaps."""
    look: str = ""
    """What its owner should decide or mend; empty where nothing."""
    group: bool = False
    """Whether rows that share a value belong on one side of the split."""
    left_out: bool = False
    """Whether the column cannot be in the configuration at all."""


def guess(column: RawColumn, limits: SchemaConfig) -> Guess:
    """Guess a column that is not the target."""
    name, rows = column.name, column.filled + column.gaps
    outputs = (f"{limits.target}_prediction", f"{limits.target}_probabilities")
    if not name or name.startswith("servable/") or name in outputs:
        return _left_out(name, "a column cannot have this name", "rename it, if the model is to see it")
    if column.stored == "other":
        return _left_out(name, f"holds {column.cells.type}", "write it as numbers, texts or times")
    if not column.filled:
        return Guess(name, "category", "holds nothing", "ignored", missing=True)
    if column.stored == "number" and np.isnan(column.numbers).any():
        row, _ = column.first(np.isnan(column.numbers))
        return _left_out(name, f"holds an infinite number, in row {row}", "write a gap or a number instead")
    found = _by_values(column, limits)
    if found.group and "${" in name:  # as a value of split.by it would be an interpolation
        found = replace(found, group=False, look="rename it, so that split.by can keep its rows on one side")
    if len(column.values) == 1 and not column.gaps:
        only = _shown(column.values[0].as_py())
        return Guess(name, found.kind, f"holds {only} in all {rows} rows", "ignored")
    return with_gaps(found, column)


def with_gaps(found: Guess, column: RawColumn) -> Guess:
    """The guess with what there is to say of the column's gaps."""
    notes = [f"{text!r} in {rows_of(count)} means a gap" for text, count in column.marks.items()]
    if column.gaps > sum(column.marks.values()):
        notes.append(f"{column.gaps} of {column.filled + column.gaps} rows have none")
    look = found.look
    if column.marks and found.kind == "category" and found.role == "feature":
        mark = max(column.marks, key=lambda text: column.marks[text])
        doubt = f"{mark!r} is a gap here because it is one in a column of numbers; write another word if it is a level"
        look = "; ".join(filter(None, [look, doubt]))
    return replace(found, why="; ".join([found.why, *notes]), missing=column.gaps > 0, look=look)


def rows_of(count: int) -> str:
    """A number of rows in words."""
    return f"{count} row" if count == 1 else f"{count} rows"


def _by_values(column: RawColumn, limits: SchemaConfig) -> Guess:
    name = column.name
    if column.stored == "time":
        return Guess(name, "time", "times")
    if column.stored == "boolean" or _are_booleans(column):
        return Guess(name, "boolean", "true or false")
    if not np.isnan(column.numbers).any():
        return _of_numbers(column, limits)
    if patterns.are_times(column):
        return Guess(name, "time", "times in ISO 8601")
    return _of_texts(column, limits)


def _are_booleans(column: RawColumn) -> bool:
    return column.stored == "text" and bool(column.like(r"(?i)^(true|false)$").all())


def _of_numbers(column: RawColumn, limits: SchemaConfig) -> Guess:
    name, numbers = column.name, column.numbers
    low, high = f"{numbers.min():.6g}", f"{numbers.max():.6g}"
    if column.stored == "text" and column.like(patterns.ZERO_FIRST).any():
        row, example = column.first(column.like(patterns.ZERO_FIRST))
        return _of_labels(column, limits, f"codes: the zero of {example!r} (row {row}) would be lost in a number")
    if set(numbers.tolist()) <= {0.0, 1.0}:
        return Guess(name, "boolean", "0 and 1" if len(column.values) > 1 else f"{low} or nothing")
    as_text = column.stored == "text" and limits.path.endswith(".parquet")  # in a CSV file all cells are
    span = f"numbers{' stored as text' if as_text else ''}, {low} to {high}"
    if not (numbers == np.floor(numbers)).all() or column.stored == "number" or _written_with_a_point(column):
        return Guess(name, "number", span)
    return _of_whole_numbers(column, limits, span)


def _written_with_a_point(column: RawColumn) -> bool:
    return column.stored == "text" and bool(column.like(r"[.eE]").any())


def _of_whole_numbers(column: RawColumn, limits: SchemaConfig, span: str) -> Guess:
    name, numbers, levels = column.name, column.numbers, len(column.values)
    if np.abs(numbers).max() > EXACT:
        return _of_identifiers(column, limits, "whole numbers beyond 2^53, which a number would not tell apart")
    if column.like(patterns.COMPACT_DATE).all() and (levels > limits.few or patterns.is_named(name, patterns.TIMES)):
        return _ignored_date(column)
    if patterns.is_named(name, patterns.TIMES) and numbers.min() > 1e8:
        if numbers.max() < 1e10:
            return Guess(name, "time", "seconds since 1970, by its name and its range")
        if numbers.min() > 1e11:
            why, look = "a time in thousandths of a second or less, by its name", "write seconds, or ISO 8601"
            return Guess(name, "category", why, "ignored", look=look)
    if patterns.is_identifier(column):
        return _of_identifiers(column, limits, "an identifier by its name")
    if patterns.is_named(name, patterns.CODES):
        return _of_labels(column, limits, "codes by their name")
    every_row = levels == column.filled and not column.gaps
    if every_row and (np.diff(numbers) == 1).all():  # they come in the order of their rows
        look = "if the file numbers its rows anew each time, make it ignored, or rows change sides"
        span = f"{numbers.min():.0f} to {numbers.max():.0f}"
        return Guess(name, "category", f"numbers of the rows, {span}", "key", look=look)
    codes = "; if they are codes, make the kind category" if levels <= limits.classes else ""
    return Guess(name, "integer", f"whole {span}{codes}")


def _ignored_date(column: RawColumn) -> Guess:
    _, example = column.first(np.ones(len(column.values), bool))
    look = "write it as 2020-12-31 for a time; its day may not be told from its month, so nobody guesses"
    return Guess(column.name, "category", f"dates that are not ISO 8601, as {example!r}", "ignored", look=look)


def _of_texts(column: RawColumn, limits: SchemaConfig) -> Guess:
    if patterns.other_dates(column):
        return _ignored_date(column)
    odd = patterns.odd_numbers(column, limits.classes)
    if odd:
        row, example = column.first(np.isnan(column.numbers))
        look = "write numbers with a point and without anything else, to use them"
        return Guess(column.name, "category", f"{odd}, as {example!r} (row {row})", "ignored", look=look)
    numeric = ~np.isnan(column.numbers)
    share = column.counts[numeric].sum() / column.filled
    if share >= 0.5 and len(column.values) > limits.classes:
        row, example = column.first(~numeric)
        look = f"row {row} holds {example!r}: mend it, or name what means a gap in missing_tokens, for a number"
        rows = int(column.counts[~numeric].sum())
        return Guess(column.name, "category", f"numbers, but for {rows} cells", "ignored", look=look)
    if column.like(patterns.UUID).all():
        return _of_identifiers(column, limits, "UUIDs")
    spaces = pc.mean(pc.count_substring(column.texts, " ")).as_py()
    if len(column.values) > limits.few and spaces >= 2:
        look = "make features of your own from it: free text is not this project's"
        return Guess(column.name, "category", f"free text, {spaces + 1:.0f} words in the mean", "ignored", look=look)
    if patterns.is_identifier(column):
        return _of_identifiers(column, limits, "an identifier by its name")
    if len(column.values) == column.filled and column.filled > limits.few:
        return _key(column, f"a text of its own in each of {column.filled} rows")
    return _of_labels(column, limits, "texts")


def _key(column: RawColumn, why: str) -> Guess:
    """A key, unless it has gaps: rows without one are told apart by nothing, and all lie on one side of the split."""
    if column.gaps:
        look = "fill its gaps, if it is to identify the rows"
        return Guess(column.name, "category", why, "ignored", look=look)
    return Guess(column.name, "category", why, "key")


def _of_identifiers(column: RawColumn, limits: SchemaConfig, seen: str) -> Guess:
    """A key where each row has its own, a group where many repeat, else a category."""
    name, levels = column.name, len(column.values)
    if levels == column.filled:
        return _key(column, f"{seen}; all {levels} differ")
    if levels <= limits.few:
        return _of_labels(column, limits, seen)
    look = "split.by keeps the rows of each on one side; if that is not needed, remove it there and ignore the column"
    if column.gaps:
        look = f"the {rows_of(column.gaps)} without one lie on one side of the split: fill the gaps, or remove split.by"
    why = f"{seen}; {levels} of them in {column.filled} rows"
    return Guess(name, "category", why, "key", look=look, group=True)


def _of_labels(column: RawColumn, limits: SchemaConfig, seen: str) -> Guess:
    name, levels, rows = column.name, len(column.values), column.filled
    if levels == rows and rows > limits.few:
        return _key(column, f"{seen}; all {levels} differ")
    if levels * limits.rows_per_level > rows:
        look = "group its levels, if the model is to see it"
        return Guess(name, "category", f"{seen}; {levels} levels in {rows} rows are too many", "ignored", look=look)
    often = column.values[int(column.counts.argmax())].as_py()
    many = "; linear models see the most frequent alone" if levels > limits.few else ""
    return Guess(name, "category", f"{seen}, {levels} levels, {_shown(often)} most often{many}")


def _left_out(name: str, why: str, look: str) -> Guess:
    return Guess(name, "category", why, "ignored", look=look, left_out=True)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
