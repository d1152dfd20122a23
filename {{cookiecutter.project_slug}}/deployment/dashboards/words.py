"""How values are written on the pages."""

import math
from datetime import UTC, datetime
from typing import Any

MISSING = "(missing)"
TABS = ("Predict", "Score a table", "Model", "Compare")
FIRST_STEP = "Fill in the form and press Predict. It starts with values that are typical of the training data."
WHAT_IF = "Vary this column, leave the others as they are"
UPLOAD = (
    "A CSV or Parquet file with the model's columns. Predictions are put beside them; rows that do not fit are listed "
    "with the reason."
)
METRICS = "Of each version on its own held-out rows."
NO_METRICS = "Neither service tells metrics."
NO_ROW = "Predict a row first: it is the one that is compared."
NO_TABLE = "Upload a table first, under Score a table: it is the one that is compared."


def rows(count: int) -> str:
    """How many rows."""
    return f"{count:,} row{'' if count == 1 else 's'}"


def number(value: float) -> str:
    """Five digits, or two decimals of a large number with its thousands apart."""
    if math.isfinite(value) and 1e4 <= abs(value) < 1e15:
        return f"{value:,.0f}" if abs(value) >= 1e7 or float(value).is_integer() else f"{value:,.2f}"
    return f"{value:.5g}"


def with_unit(value: Any, unit: str | None) -> str:
    """A predicted value."""
    text = number(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
    return f"{text} {unit}" if unit else text


def signed(value: float) -> str:
    """A difference; none has no sign."""
    return f"+{number(value)}" if value > 0 else f"\N{MINUS SIGN}{number(-value)}" if value < 0 else "0"


def percent(share: float) -> str:
    """A probability."""
    return f"{share:.1%}"


def moment(iso: str | None) -> str:
    """A time for people, in UTC."""
    if iso is None:
        return "not recorded"
    return datetime.fromisoformat(iso).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
