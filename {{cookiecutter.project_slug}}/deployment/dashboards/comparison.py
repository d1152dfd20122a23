"""Two services side by side: one row, one table, the metrics, and what they take."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from {{ cookiecutter.project_slug }}.schemas.compatibility import incompatibility
from {{ cookiecutter.project_slug }}.schemas.contract import Contract, Target

from . import words
from .answers import Answer
from .served import Served
from .tables import Scored, as_file, free


@dataclass(frozen=True)
class Line:
    """One quantity of both."""

    what: str
    first: str
    second: str
    difference: str


@dataclass(frozen=True)
class Tables:
    """One table through both."""

    lines: list[tuple[str, str]]
    """How far the predictions are apart: what is counted, and its value."""
    rows: pa.Table
    """Rows that both answered, the largest differences first: `row`, keys, both predictions, the difference."""

    @cached_property
    def file(self) -> bytes:
        """`rows` as a CSV file."""
        return as_file(self.rows, ".csv")


def of_rows(first: Answer, second: Answer, contract: Contract) -> list[Line]:
    """The predictions of one row, target by target."""
    lines = []
    for target in contract.targets:
        a, b = (answer.columns[target.prediction][0] for answer in (first, second))
        if not target.classes:
            shown = [words.with_unit(value, target.unit) for value in (a, b, words.signed(b - a))]
            lines.append(Line(target.name, shown[0], shown[1], shown[2]))
            continue
        lines.append(Line(target.name, str(a), str(b), "the same" if a == b else "another class"))
        shares = [answer.columns[target.probabilities] for answer in (first, second)]
        for label in map(str, target.classes):
            one, other = (share[label][0] for share in shares)
            named = f"probability of {label}"
            lines.append(Line(named, words.percent(one), words.percent(other), _points(other - one)))
    return lines


def of_tables(first: Scored, second: Scored, contract: Contract) -> Tables:
    """The rows that both answered, matched by their number in the file."""
    both, at, on = np.intersect1d(first.kept, second.kept, return_indices=True)
    lines = [("rows that both answered", f"{len(both):,}")]
    only = len(first.kept) + len(second.kept) - 2 * len(both)
    if only:
        lines.append(("rows that one of them refused", f"{only:,}"))
    columns: dict[str, Any] = {"row": both}
    for key in contract.keys:
        if key.name in first.table.column_names:
            columns[free(key.name, columns)] = first.table[key.name].take(pa.array(at))
    worst = np.zeros(len(both))
    for target in contract.targets if len(both) else ():
        a = first.predictions[target.prediction].take(pa.array(at))
        b = second.predictions[target.prediction].take(pa.array(on))
        size, told, shown = _apart(target, a, b, first, second, at, on)
        worst = np.maximum(worst, size / target.deviation)
        lines += told
        for name, values in {f"{target.prediction}_first": a, f"{target.prediction}_second": b, **shown}.items():
            columns[free(name, columns)] = values
    order = np.lexsort((both, -worst))
    return Tables(lines, pa.table(columns).take(pa.array(order)))


def of_metrics(first: Mapping[str, float], second: Mapping[str, float]) -> list[Line]:
    """Metrics on each version's own held-out rows; a dash where one has none of that name."""
    lines = []
    for name in sorted(first.keys() | second.keys()):
        a, b = first.get(name), second.get(name)
        shown = ["\N{EN DASH}" if value is None else words.number(value) for value in (a, b)]
        difference = "" if a is None or b is None else words.signed(b - a)
        lines.append(Line(name.removeprefix("test/"), shown[0], shown[1], difference))
    return lines


def of_contracts(first: Served, second: Served) -> str | None:
    """Why the two cannot be compared, or why clients of the first could not call the second unchanged."""
    if not comparable(first, second):
        return f"{first.contract.name} and {second.contract.name} predict different things: they cannot be compared"
    why = incompatibility(second.contract, first.contract)
    return f"clients of the first could not call the second unchanged: {why}" if why else None


def comparable(first: Served, second: Served) -> bool:
    """Whether both predict the same."""
    return [t.identity for t in first.contract.targets] == [t.identity for t in second.contract.targets]


def known_to(contract: Contract, record: Mapping[str, Any]) -> dict[str, list[Any]]:
    """One row as columns, of those that the contract has: a service refuses others."""
    return {column.name: [record[column.name]] for column in contract.columns if column.name in record}


def _apart(
    target: Target, a: pa.Array, b: pa.Array, first: Scored, second: Scored, at: np.ndarray, on: np.ndarray
) -> tuple[np.ndarray, list[tuple[str, str]], dict[str, Any]]:
    """How far each row's predictions are apart, the lines that say so, and the columns that show it."""
    name, unit = target.name, target.unit
    if not target.classes:
        difference = b.to_numpy().astype(np.float64) - a.to_numpy()
        size = np.abs(difference)
        lines = [
            (f"{name}: mean difference", words.with_unit(words.signed(difference.mean()), unit)),
            (f"{name}: mean absolute difference", words.with_unit(size.mean(), unit)),
            (f"{name}: largest absolute difference", words.with_unit(size.max(), unit)),
        ]
        return size, lines, {f"{name}_difference": difference}
    shares = [f"{target.probabilities}_{label}" for label in target.classes]
    pairs = [(first.predictions[s].to_numpy()[at], second.predictions[s].to_numpy()[on]) for s in shares]
    size = np.max([np.abs(other.astype(np.float64) - one) for one, other in pairs], axis=0)
    others = np.array(a.to_pylist(), object) != np.array(b.to_pylist(), object)
    lines = [
        (f"{name}: rows with another class", f"{int(others.sum()):,} ({words.percent(others.mean())})"),
        (f"{name}: largest difference of a probability", _points(size.max()).lstrip("+")),
    ]
    return size + others, lines, {f"{name}_differs": others, f"{name}_largest_probability_difference": size}


def _points(difference: float) -> str:
    """A difference of probabilities."""
    return f"{words.signed(round(100 * difference, 2))} points"
