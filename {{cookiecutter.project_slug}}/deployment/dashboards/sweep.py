"""What-if: predictions over one column's values while the other cells stay as they are."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from {{ cookiecutter.project_slug }}.schemas.contract import Column, Contract

from ..api import cells
from . import words
from .answers import Answer
from .client import Api


@dataclass(frozen=True)
class Curve:
    """One target's predictions over one column."""

    column: Column
    x: list[Any]
    """Numbers, ISO times, or the names of bars."""
    series: dict[str, list[float]]
    """The predicted value by the target's name, or the probability by class."""
    here: Any
    """The current cell as it stands in `x`; None: it is missing, or the axis has no place for it."""
    target: str
    unit: str | None
    """Of the target; None for probabilities too."""

    @property
    def kind(self) -> str:
        """`bars`, `times` or `line`."""
        if self.column.kind in ("category", "boolean"):
            return "bars"
        return "times" if self.column.kind == "time" else "line"

    @property
    def is_probability(self) -> bool:
        """Whether the values are probabilities of classes."""
        return list(self.series) != [self.target]

    @property
    def x_title(self) -> str:
        """The column with its unit."""
        return f"{self.column.name} ({self.column.unit})" if self.column.unit else self.column.name

    @property
    def y_title(self) -> str:
        """What is predicted, with its unit."""
        if self.is_probability:
            return f"probability of {self.target}"
        return f"{self.target} ({self.unit})" if self.unit else self.target

    @property
    def summary(self) -> str:
        """The plot in one sentence, for those who cannot see it."""
        name, values = max(self.series.items(), key=lambda item: max(item[1]) - min(item[1]))
        low, high = min(values), max(values)
        places = [_short(self.x[values.index(value)]) for value in (low, high)]
        what = f"the probability of {name}" if self.is_probability else name
        shown = [words.percent(v) if self.is_probability else words.with_unit(v, self.unit) for v in (low, high)]
        if low == high:
            return f"{what} stays {shown[0]} whatever {self.column.name} is."
        return f"{what} lies between {shown[0]} (at {places[0]}) and {shown[1]} (at {places[1]})."


def sweepable(contract: Contract) -> list[Column]:
    """Columns with one value per row; series have no single axis."""
    return [column for column in contract.inputs if column.width == 1]


def curves(api: Api, contract: Contract, column: Column, record: Mapping[str, Any], points: int) -> list[Curve]:
    """Ask for the predictions over a column, one curve per target.

    Args:
        api: the service.
        contract: of the model that it serves.
        column: the one that is varied.
        record: the other cells.
        points: values of a number or time, at most; levels of a category, at most.

    Raises:
        ApiError: the service does not answer, or refuses the other cells.
    """
    asked = values(column, record.get(column.name), points)
    names = [other.name for other in contract.inputs]
    cells_of = {n: asked if n == column.name else [record.get(n)] * len(asked) for n in names}
    answer = api.predict(cells_of, contract)
    return [_curve(column, asked, record.get(column.name), answer, position, contract) for position in
            range(len(contract.targets))]  # fmt: skip


def values(column: Column, cell: Any, points: int) -> list[Any]:
    """The cells that are asked for: the range of training, widened to hold the current cell.

    Args:
        column: of width 1.
        cell: the current one.
        points: see `curves`.
    """
    if column.kind == "boolean":
        return [False, True, *([None] if column.missing else [])]
    if column.kind == "category":
        levels = list(column.categories or ())[:points]
        levels += [cell] if cell is not None and cell not in levels else []
        return [*levels, *([None] if column.missing else [])] or [None]
    low, high = _ends(column, cell)
    if column.kind == "integer":
        low, high = math.floor(low), math.ceil(high)
        steps = min(points - 1, high - low)
        return [low + round((high - low) * step / steps) for step in range(steps + 1)]
    return [low + (high - low) * (step / (points - 1)) for step in range(points)]


def _ends(column: Column, cell: Any) -> tuple[float, float]:
    here = [float(cell)] if isinstance(cell, int | float) else []
    typical = [float(column.typical)] if isinstance(column.typical, int | float) else []
    known = [*(column.range or typical), *here] or [0.0]
    low, high = min(known), max(known)
    if low < high:
        return low, high
    around = abs(low) / 2 or 1.0
    return low - around, high + around


def _curve(column: Column, asked: list[Any], cell: Any, answer: Answer, position: int, contract: Contract) -> Curve:
    target = contract.targets[position]
    if target.classes:
        series = {str(label): values for label, values in answer.columns[target.probabilities].items()}
    else:
        series = {target.name: answer.columns[target.prediction]}
    x = [_on_axis(column, value) for value in asked]
    bars = column.kind in ("category", "boolean")
    here = _on_axis(column, cell) if bars or cell is not None else None
    return Curve(column, x, series, here, target.name, target.unit)


def _on_axis(column: Column, value: Any) -> Any:
    if value is None:
        return words.MISSING
    if column.kind == "time" and not isinstance(value, str):
        return cells.plain(column, value)
    if column.kind in ("category", "boolean"):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return value


def _short(place: Any) -> str:
    return words.number(place) if isinstance(place, int | float) else str(place).partition("T")[0]
