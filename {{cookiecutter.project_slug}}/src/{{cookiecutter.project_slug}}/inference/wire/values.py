# SPDX-License-Identifier: GPL-3.0-only
"""One value of a column: how it is read, when it is missing, and how it is refused."""

import datetime
import math
import re
from typing import Any

import numpy as np

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INTEGRAL = re.compile(r"-?\d+\.0+", re.ASCII)


class InputError(ValueError):
    """Bad input: one line that names column, row and value."""


class Misfits:
    """What is told of rows that do not fit: here the first one is an error.

    Attributes:
        first: number of the first row, as messages count them.
    """

    first = 0

    def add(self, row: int, text: str) -> None:  # noqa: ARG002
        """Take note of one reason.

        Args:
            row: position in the table that is read.
            text: the whole reason, which counts rows from `first`.

        Raises:
            InputError: always; a gathering one goes on.
        """
        raise InputError(text)


class Gathered(Misfits):
    """Reasons by row, gathered in one pass over the table; what does not fit is read as missing.

    Args:
        first: number of the table's first row, where the table is a part of a longer one.
    """

    def __init__(self, first: int = 0) -> None:
        self.first = first
        self.reasons: dict[int, list[str]] = {}

    def add(self, row: int, text: str) -> None:
        """Take note of one reason."""
        self.reasons.setdefault(row, []).append(text)


STRICT = Misfits()


def is_missing(value: Any) -> bool:
    """None, NaN, NaT and pandas' NA."""
    return value is None or type(value).__name__ in ("NAType", "NaTType") or bool(value != value)


def as_text(value: Any) -> str:
    """One spelling per value, whatever reader it came through: `5` for 5, 5.0 and "5.0"; `true` for True and "True"."""
    if isinstance(value, str):
        if value in ("True", "TRUE", "False", "FALSE"):
            return value.lower()
        value.encode()  # half of a surrogate pair is no text
        return _whole(value)
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    if isinstance(value, complex | type) or hasattr(value, "__len__") or value in (math.inf, -math.inf):
        raise TypeError(value)
    return _whole(str(value))  # a Decimal, a time


def _whole(text: str) -> str:
    """`5` for `5.0`; a zero has no sign."""
    if not _INTEGRAL.fullmatch(text):
        return text
    digits = text.partition(".")[0]
    return "0" if digits == "-0" else digits


def shown(value: Any) -> str:
    """The value as Python writes it, cut to what a line has room for."""
    if isinstance(value, np.generic):
        value = value.item()
    try:
        text = repr(value).replace("\n", " ")  # an array's
    except ValueError:  # an integer of thousands of digits
        text = f"a {type(value).__name__} too long to show"
    return text if len(text) <= 60 else text[:57] + "..."


def as_number(value: Any) -> float:
    """A number, or text that spells one in decimal; neither booleans nor times."""
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value.strip()):
            raise ValueError(value)
    elif isinstance(value, bool | np.bool_ | datetime.date | np.datetime64 | bytes):
        raise TypeError(value)
    return float(value)


def as_boolean(value: Any) -> float:
    """1.0 for true, 0.0 for false; any number passes, and is checked with its column."""
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return float(value.strip().lower() == "true")
    return float(value) if isinstance(value, bool | np.bool_) else as_number(value)


def as_seconds(value: Any) -> float:
    """Seconds since 1970; a time without a zone is in UTC."""
    if isinstance(value, str):
        text = value.strip()
        if len(text) == 8 and text.isdigit():
            raise ValueError(text)  # 20200101 is meant as a date by people, and read as a number by most readers
        if _NUMBER.fullmatch(text):
            return float(text)
        value = datetime.datetime.fromisoformat(text)
    if isinstance(value, np.datetime64):
        return float(value.astype("datetime64[us]").astype(np.int64)) / 1e6
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        value = datetime.datetime(value.year, value.month, value.day)
    if isinstance(value, datetime.datetime):
        zoned = value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
        return (zoned - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)).total_seconds()
    return as_number(value)
