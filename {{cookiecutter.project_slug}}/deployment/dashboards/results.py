"""What a user has asked for, and what came of it."""

from dataclasses import dataclass, field
from typing import Any

from . import comparison, sweep
from .answers import Answer
from .served import Served, title


@dataclass
class Prediction:
    """One row, what was answered, and what would be answered along one column."""

    record: dict[str, Any]
    served: Served
    answer: Answer
    curves: list[sweep.Curve] = field(default_factory=list)
    plot_trouble: str | None = None
    """Why there are no curves."""

    @property
    def title(self) -> str:
        """Which model answered."""
        return title(self.answer.model)


@dataclass
class RowComparison:
    """One row through both services."""

    titles: tuple[str, str]
    lines: list[comparison.Line]


@dataclass
class Compared:
    """What a second service serves, and what both answered to the last row."""

    second: Served
    prediction: Prediction | None
    """The row's, where there was one."""
    row: RowComparison | str
    """Or why there is none."""


@dataclass
class TableComparison:
    """One table through both services."""

    titles: tuple[str, str]
    tables: comparison.Tables
