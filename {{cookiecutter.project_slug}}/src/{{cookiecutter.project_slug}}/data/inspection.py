"""Looks a raw table over and guesses what its columns are for."""

import difflib
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from ..inference.wire import encode_column
from ..ports import UserError
from ..schemas.contract import MISSING_TOKENS
from ..schemas.guesses import SchemaConfig
from . import leaks, patterns
from .guessed_target import GuessedTarget, guess_target
from .guesses import Guess, guess
from .raw import RawColumn, has_value, raw_column

SHARES = (0.7, 0.8)
"""Of the rows in the order of time, where validation and the held-out part would begin."""


@dataclass(frozen=True)
class Inspection:
    """What was found out about a table."""

    rows: int
    trainable: int
    """Those with a target."""
    target: GuessedTarget
    columns: tuple[Guess, ...]
    """All of the file, in its order; the target among them."""
    marks: tuple[str, ...]
    """Texts that mean a gap in this table, besides the usual ones."""
    moments: tuple[str, str] | None
    """Where a split by the column of role time would begin validation and the held-out part, in ISO 8601."""


def inspect(table: pa.Table, limits: SchemaConfig) -> Inspection:
    """Guess every column.

    Raises:
        UserError: the target is absent or cannot be one, or no column is left as an input.
    """
    names = table.column_names
    if limits.target not in names:
        close = difflib.get_close_matches(limits.target, names, n=1, cutoff=0.5) or [
            name for name in names if name.lower() == limits.target.lower()
        ]
        hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(map(repr, names))}"
        raise UserError(f"{limits.path} has no column {limits.target!r}; {hint}")
    if len(names) == 1:
        raise UserError(f"{limits.path} has one column, {names[0]!r}: nothing is left to predict it from")

    marks = _marks(table, limits)
    tokens = set(MISSING_TOKENS) | marks
    column = raw_column(limits.target, table[limits.target], tokens, marks)
    target = guess_target(column, limits)
    known = has_value(column.cells, tokens)
    sample = _Sample(table, np.flatnonzero(known), column, target, limits, tokens)

    guesses = []
    for name in names:
        if name == limits.target:
            guesses.append(target.column)
            continue
        raw = raw_column(name, table[name], tokens, marks)
        found = guess(raw, limits)
        if found.role == "feature":
            found = _without_leak(found, raw, known, sample, tokens)
        guesses.append(found)
    guesses = _with_time(_with_one_group(guesses, table, tokens))
    if not any(found.role == "feature" for found in guesses if found.name != limits.target):
        reasons = "; ".join(f"{found.name!r}: {found.why}" for found in guesses if found.name != limits.target)
        raise UserError(f"{limits.path} has no column that could be an input: {reasons}")
    return Inspection(
        table.num_rows, int(known.sum()), target, tuple(guesses), tuple(sorted(marks)), _moments(guesses, table, tokens)
    )


def _marks(table: pa.Table, limits: SchemaConfig) -> set[str]:
    """The odd texts among numbers or times that mean a gap, unless they are a class of the target."""
    usual = set(MISSING_TOKENS)
    found = set()
    for name in table.column_names:
        column = raw_column(name, table[name], usual, set())
        mark = patterns.odd_one_out(column) if column.filled else None
        if mark is not None and "${" not in mark and mark != "???":  # OmegaConf would read more into these
            found.add(mark)
    target = raw_column(limits.target, table[limits.target], usual, set())
    if patterns.odd_one_out(target) is None and target.stored == "text":
        found -= set(target.texts.to_pylist())
    return found


class _Sample:
    """Rows with a target, evenly over the file, for what need not look at all of them."""

    def __init__(
        self, table: pa.Table, rows: np.ndarray, column: RawColumn, target: GuessedTarget, limits: SchemaConfig,
        tokens: AbstractSet[str],
    ) -> None:  # fmt: skip
        count = min(len(rows), limits.leak_rows)
        self._rows = rows[np.linspace(0, len(rows) - 1, count).astype(np.int64)]
        self._table, self._tokens, self._least = table, set(tokens), limits.leak
        self.classes = target.task == "classification"
        kind = target.column.kind
        cells = column.cells.take(self._rows)
        self._target = leaks.as_numbers(cells, limits.target, kind, self._tokens)

    def leak(self, found: Guess) -> str | None:
        """Why a feature gives the target away; None where it does not."""
        values = leaks.as_numbers(self._table[found.name].take(self._rows), found.name, found.kind, self._tokens)
        levels = found.kind == "category"
        return leaks.leak(values, self._target, self._least, classes=self.classes, levels=levels)


def _without_leak(
    found: Guess, column: RawColumn, known: np.ndarray, sample: _Sample, tokens: AbstractSet[str]
) -> Guess:
    why = None
    if column.gaps:
        why = leaks.known_with_the_target(has_value(column.cells, tokens), known)
    why = why or sample.leak(found)
    if why is None:
        return found
    look = "give it the role feature only if it is known before the target is"
    return replace(found, role="ignored", why=f"a leak: {why}", look=look, group=False)


def _with_one_group(guesses: list[Guess], table: pa.Table, tokens: AbstractSet[str]) -> list[Guess]:
    """Rows can be kept together by one group alone: the one of most levels, which is most often a person or a thing."""
    groups = [found for found in guesses if found.group]
    if len(groups) < 2:
        return guesses
    levels = {found.name: len(raw_column(found.name, table[found.name], tokens, set()).values) for found in groups}
    chosen = max(groups, key=lambda found: levels[found.name]).name
    look = f"split.by keeps the rows of each {chosen!r} together instead; name this one there if it is the larger whole"
    return [
        replace(found, group=False, look=look) if found.group and found.name != chosen else found for found in guesses
    ]


def _with_time(guesses: list[Guess]) -> list[Guess]:
    """At most one time says when a row happened: it has no gaps, and its name says nothing else."""
    times = [found for found in guesses if found.kind == "time" and found.role == "feature"]
    candidates = [
        found for found in times if not found.missing and not set(patterns.words(found.name)) & patterns.NOT_WHEN
    ]
    others = sum(found.role == "feature" for found in guesses) - 1  # the target has that role too
    if not candidates or others == 1:
        return guesses
    chosen = next((found for found in candidates if patterns.is_named(found.name, patterns.TIMES)), candidates[0])
    why = f"{chosen.why}; taken for when the row happened"
    look = (
        "not an input: rows of one time resemble each other, and a model would learn the past's dates; remove the role "
        "if month, weekday or hour matter, and see split below for holding out the latest rows"
    )
    timed = replace(chosen, role="time", why=why, look=look)
    return [timed if found is chosen else found for found in guesses]


def _moments(guesses: list[Guess], table: pa.Table, tokens: AbstractSet[str]) -> tuple[str, str] | None:
    name = next((found.name for found in guesses if found.role == "time"), None)
    if name is None:
        return None
    seconds = np.sort(encode_column(table[name], {"name": name, "kind": "time"}, set(tokens))[:, 0])
    early, late = (seconds[int(share * (len(seconds) - 1))] for share in SHARES)
    if early >= late:
        return None
    return _iso(early), _iso(late)


def _iso(seconds: float) -> str:
    return str(np.datetime64(int(seconds), "s")) + "+00:00"
