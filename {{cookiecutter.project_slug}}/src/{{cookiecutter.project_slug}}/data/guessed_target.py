"""What is predicted: a number or a class, guessed from the target's values, or refused in one line."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..ports import UserError
from ..schemas.guesses import SchemaConfig
from . import patterns
from .guesses import EXACT, Guess, rows_of, with_gaps
from .raw import RawColumn

Task = Literal["regression", "classification"]


@dataclass(frozen=True)
class GuessedTarget:
    """The target's column and the task."""

    task: Task
    column: Guess
    classes: dict[str, int]
    """Rows of each class; none for a regression."""


def guess_target(column: RawColumn, limits: SchemaConfig) -> GuessedTarget:
    """Guess task and kind.

    Raises:
        UserError: the column cannot be a target: too few values, one value, or neither numbers nor classes.
    """
    name = f"the target {column.name!r}"
    if column.stored == "other":
        raise UserError(f"{name} holds {column.cells.type}: a target is a number or a class")
    if column.filled < limits.least_rows:
        rows = column.filled + column.gaps
        raise UserError(
            f"{name} has a value in {column.filled} of {rows} rows: it takes {limits.least_rows} (least_rows)"
        )
    if len(column.values) == 1:
        raise UserError(f"{name} holds {column.values[0].as_py()!r} in every row: there is nothing to learn")
    if column.stored == "time" or patterns.are_times(column) or patterns.other_dates(column):
        raise UserError(f"{name} holds times: predict a number, such as the days until then, or a class")
    found = _of_numbers(column, limits) if _are_numbers(column) else _of_labels(column, limits)
    return replace(found, column=with_gaps(found.column, column))


def _are_numbers(column: RawColumn) -> bool:
    if column.stored == "number" and np.isnan(column.numbers).any():
        row, _ = column.first(np.isnan(column.numbers))
        raise UserError(f"the target {column.name!r} holds an infinite number in row {row}: write a gap or a number")
    return not np.isnan(column.numbers).any() and not column.like(patterns.ZERO_FIRST).any()


def _of_numbers(column: RawColumn, limits: SchemaConfig) -> GuessedTarget:
    numbers, levels = column.numbers, len(column.values)
    whole = bool((numbers == np.floor(numbers)).all() and np.abs(numbers).max() <= EXACT)
    few = whole and levels <= limits.classes
    task: Task = limits.task or ("classification" if few else "regression")
    look, seen = "", f"numbers, {levels} different ones, {numbers.min():.6g} to {numbers.max():.6g}"
    if limits.task is None and few and levels > 2:
        look = f"{levels} whole numbers are taken for classes: task=regression takes them for a quantity"
    if limits.task is None and not few and levels <= limits.classes:
        look = f"{levels} different numbers are taken for a quantity: task=classification takes them for classes"
    if task == "regression":
        whole = whole and column.stored != "number" and not (column.stored == "text" and column.like(r"[.eE]").any())
        return GuessedTarget(task, Guess(column.name, "integer" if whole else "number", seen, look=look), {})
    return _classes(column, limits, Guess(column.name, "integer" if whole else "category", seen, look=look))


def _of_labels(column: RawColumn, limits: SchemaConfig) -> GuessedTarget:
    words = column.stored == "boolean" or bool(column.like(r"(?i)^(true|false)$").all())
    odd = patterns.odd_numbers(column, limits.classes)
    codes = column.like(patterns.ZERO_FIRST)
    numeric = ~np.isnan(column.numbers) & ~codes.any()
    row, example = column.first(codes if codes.any() else ~numeric)
    if odd and limits.task != "classification":
        raise UserError(
            f"the target {column.name!r} holds {odd}, as {example!r} (row {row}): write a point and no more"
        )
    if limits.task == "regression" or (column.counts[numeric].sum() > 0.5 * column.filled and limits.task is None):
        raise UserError(
            f"the target {column.name!r} holds {example!r} in row {row}, which is no number: "
            + ("name another target" if not numeric.any() else "mend it, or set task=classification")
        )
    seen = "true or false" if words else f"texts, {len(column.values)} different ones"
    return _classes(column, limits, Guess(column.name, "boolean" if words else "category", seen))


def _classes(column: RawColumn, limits: SchemaConfig, found: Guess) -> GuessedTarget:
    levels = len(column.values)
    if levels * limits.rows_per_level > column.filled:
        raise UserError(
            f"the target {column.name!r} has {levels} different values in {column.filled} rows, too many for classes: "
            + ("set task=regression" if not np.isnan(column.numbers).any() else "name another target, or group them")
        )
    classes = dict(zip(map(str, column.values.to_pylist()), column.counts.tolist(), strict=True))
    padded = sorted(label for label in classes if label.strip() != label and label.strip() in classes)
    if padded:
        blanks = f"{padded[0]!r} and {padded[0].strip()!r} are two classes: take the blanks out of the table"
        found = replace(found, look="; ".join(filter(None, [found.look, blanks])))
    rare = {label: rows for label, rows in classes.items() if rows < limits.class_rows}
    if rare:
        label = min(rare, key=rare.__getitem__)
        more = f" and {len(rare) - 1} more" if len(rare) > 1 else ""
        warning = (
            f"class {label!r} has {rows_of(rare[label])}{more}: a side of the split may be without it, and training "
            "refuses a class that it never sees; gather more rows of it, or join it with another"
        )
        found = Guess(found.name, found.kind, found.why, look="; ".join(filter(None, [found.look, warning])))
    return GuessedTarget("classification", found, classes)
