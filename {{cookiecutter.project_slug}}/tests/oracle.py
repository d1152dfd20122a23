"""What a cell means and which price a row has, in plain Python, apart from the code."""

import datetime
import decimal
import math
from typing import Any

import numpy as np
import pandas as pd

from {{ cookiecutter.project_slug }}.schemas.contract import MISSING_TOKENS, Column

from .servables import CITY, COLUMNS, LEVELS, NUMBERS

BIAS = 2.5
FLOAT32_MAX = 3.4028234663852886e38
UTC = datetime.UTC
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
BY_NAME = {column.name: column for column in COLUMNS}
DIGITS = set("+-.eE0123456789")


class NotAllowedError(Exception):
    """The cell breaks the contract."""


def json_cell(column: Column, value: Any) -> Any:
    """A JSON value as the graph should see it: float, text, None where it is missing, a list for a width of 3.

    Raises:
        NotAllowedError: the request must be refused.
    """
    if value is None or (isinstance(value, float) and math.isnan(value) and column.width == 1):
        if not column.missing and column.role != "key":
            raise NotAllowedError
        return None if column.width == 1 else [None] * column.width
    if column.width > 1:
        if isinstance(value, float) and math.isnan(value):
            return [None] * column.width
        if not isinstance(value, list) or len(value) != column.width:
            raise NotAllowedError
        return [json_cell(column.model_copy(update={"width": 1}), one) for one in value]
    if column.role == "key":
        whole = isinstance(value, int | float) and not isinstance(value, bool) and -(2**63) <= value < 2**63
        if isinstance(value, str) or (whole and value == int(value)):
            return value
        raise NotAllowedError
    if column.kind == "category":
        if isinstance(value, float) and not value.is_integer():
            raise NotAllowedError
        return category(value)
    if column.kind == "boolean":
        if isinstance(value, bool):
            return float(value)
        raise NotAllowedError
    if isinstance(value, bool):
        raise NotAllowedError
    if column.kind == "time" and isinstance(value, str):
        return None if value.strip() in MISSING_TOKENS else instant(value)
    if isinstance(value, int | float):
        return number(value, whole=column.kind == "integer")
    raise NotAllowedError


def number(value: Any, *, whole: bool = False) -> float:
    try:
        exact = float(value)
    except OverflowError:
        raise NotAllowedError from None
    if math.isinf(exact) or (whole and exact % 1):
        raise NotAllowedError
    return exact


def instant(text: str) -> float:
    """Seconds of an ISO 8601 time; eight digits alone may be meant as a number too, and are none."""
    if text.strip().isdigit():
        raise NotAllowedError
    try:
        moment = datetime.datetime.fromisoformat(text.strip())
    except ValueError:
        raise NotAllowedError from None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH) / datetime.timedelta(seconds=1)


def category(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        if isinstance(value, float) and not math.isfinite(value):
            raise NotAllowedError
        return str(int(value)) if value == int(value) else repr(value)
    if isinstance(value, decimal.Decimal | datetime.date | datetime.time | datetime.timedelta):
        if value in (math.inf, -math.inf):
            raise NotAllowedError
        return category(str(value))
    if not isinstance(value, str):
        raise NotAllowedError
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise NotAllowedError
    if value.strip() in MISSING_TOKENS:
        return None
    if value.lower() in ("true", "false") and (value.istitle() or value.isupper()):
        return value.lower()
    whole, dot, zeros = value.partition(".")
    digits = whole.removeprefix("-")
    if dot and zeros and set(zeros) == {"0"} and digits and digits.isascii() and digits.isdigit():
        return "0" if whole == "-0" else whole
    return value


def text_number(text: str) -> float:
    """Text as a number in decimal notation."""
    if not text.isascii() or "_" in text or not set(text.strip()) <= DIGITS:
        raise NotAllowedError
    try:
        exact = decimal.Decimal(text.strip())
    except decimal.InvalidOperation:
        raise NotAllowedError from None
    return number(exact)


def python_cell(column: Column, value: Any) -> Any:
    """A Python value as the encoding should see it; more types than JSON has, and numbers may be text.

    Raises:
        NotAllowedError: the encoding must refuse it.
    """
    if column.width > 1:
        if not isinstance(value, list | tuple | np.ndarray | range) or np.shape(value)[:1] != (column.width,):
            raise NotAllowedError
        if isinstance(value, np.ndarray) and value.ndim > 1:
            raise NotAllowedError
        return [python_cell(column.model_copy(update={"width": 1}), one) for one in value]
    while isinstance(value, list | tuple | np.ndarray) and np.size(value) == 1 and column.name != "history":
        value = value.item() if isinstance(value, np.ndarray) else value[0]
    if isinstance(value, np.generic) and not isinstance(value, np.datetime64):
        value = value.item()
    text = value if column.kind == "category" else value.strip() if isinstance(value, str) else value
    if missing(value) or (isinstance(text, str) and text.strip() in MISSING_TOKENS):
        if not column.missing:
            raise NotAllowedError
        return None
    if column.kind == "category":
        return category(value)
    if column.kind == "time" and (moment := as_moment(value)) is not None:
        return moment
    if column.kind == "boolean" and (
        isinstance(value, bool) or (isinstance(text, str) and text.lower() in ("true", "false"))
    ):
        return float(value if isinstance(value, bool) else text.lower() == "true")
    if isinstance(value, str):
        if column.kind == "time" and len(text) == 8 and text.isdigit():
            raise NotAllowedError
        found = text_number(value)
    elif isinstance(value, int | float | decimal.Decimal) and not isinstance(value, bool):
        found = number(value)
    else:
        raise NotAllowedError
    if (column.kind == "integer" and found % 1) or (column.kind == "boolean" and found not in (0.0, 1.0)):
        raise NotAllowedError
    return found


def missing(value: Any) -> bool:
    if isinstance(value, decimal.Decimal):
        return value.is_nan()
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value))


def as_moment(value: Any) -> float | None:
    if isinstance(value, np.datetime64):
        return float(value.astype("datetime64[us]").astype(int)) / 1e6
    if isinstance(value, datetime.datetime):
        return ((value if value.tzinfo else value.replace(tzinfo=UTC)) - EPOCH) / datetime.timedelta(seconds=1)
    if isinstance(value, datetime.date):
        return float((value - EPOCH.date()).days * 86400)
    if isinstance(value, str) and not set(value.strip()) <= DIGITS:
        return instant(value)
    return None


def answer(cells: dict[str, Any]) -> tuple[float, float]:
    """The price of one row, and the size of what was added up for it."""
    terms = [BIAS, LEVELS.get("" if cells[CITY] is None else cells[CITY], 0.125)]
    for name, (fill, weights) in NUMBERS.items():
        values = cells[name] if isinstance(cells[name], list) else [cells[name]]
        terms += [(fill if value is None else value) * weight for value, weight in zip(values, weights, strict=True)]
    return sum(terms), sum(map(abs, terms))


def check_price(got: float, cells: dict[str, Any]) -> None:
    want, size = answer(cells)
    assert math.isfinite(got)
    assert abs(got - want) <= 1e-6 * abs(want) + 1e-12 * size, (got, want, cells)


def may_lack_a_price(cells: dict[str, Any]) -> bool:
    """Whether float32 cannot hold the answer, or is that close to its greatest number that it may go either way."""
    want, _ = answer(cells)
    return not abs(want) < FLOAT32_MAX * (1 - 1e-6)


def meaning(rows: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """The rows of a body as the graph should see them; None: the body breaks the contract."""
    seen = []
    for row in rows:
        if not row.keys() <= BY_NAME.keys() or any(surrogates(value) for value in row.values()):
            return None
        try:
            seen.append({name: json_cell(column, row.get(name)) for name, column in BY_NAME.items()})
        except NotAllowedError:
            return None
    return seen


def surrogates(value: Any) -> bool:
    """Whether half of a pair, which is no text, is anywhere in it."""
    if isinstance(value, dict):
        return any(map(surrogates, value)) or any(map(surrogates, value.values()))
    if isinstance(value, list):
        return any(map(surrogates, value))
    return isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value)
