"""What a cell of a column may be in JSON, and how that is said: strict types, before the wire encoding reads them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from {{ cookiecutter.project_slug }}.schemas.contract import MISSING_TOKENS, Column

MOMENT = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]}
"""The JSON schema of a time."""
_DIGITS = re.compile(r"[+-]?[\d.]+([eE][+-]?\d+)?", re.ASCII)
LEVELS_SHOWN = 10
"""Categories that a description lists."""


def _not_digits(text: str) -> str:
    if _DIGITS.fullmatch(text.strip()):
        raise ValueError("seconds since 1970 are given as a number")
    return text


def _integral(value: float) -> float:
    if value == value and not value.is_integer():
        raise ValueError("a fraction names nothing")
    return value


def _nan_as_null(value: Any) -> Any:
    return None if isinstance(value, float) and value != value else value


Missing = Annotated[None, BeforeValidator(_nan_as_null)]
_WIDE = 2**63  # JSON's readers and writers hold integers of 64 bits; a larger one would become another number
_KEY = Annotated[
    str
    | Annotated[int, Field(ge=-_WIDE, lt=_WIDE)]
    | Annotated[float, Field(gt=-_WIDE, lt=_WIDE), AfterValidator(_integral)],  # 5.0 is an integer in JSON Schema
    WithJsonSchema({"type": ["string", "integer"], "minimum": -_WIDE, "maximum": _WIDE - 1}),
]
_TYPES: dict[str, Any] = {
    "number": float,
    "integer": Annotated[int | float, WithJsonSchema({"type": "integer"})],
    "boolean": bool,
    "time": Annotated[float | Annotated[str, AfterValidator(_not_digits)], WithJsonSchema(MOMENT)],
    "category": Annotated[
        str | bool | int | Annotated[float, AfterValidator(_integral)],
        WithJsonSchema({"type": ["string", "integer", "boolean"]}),
    ],
}
_NEEDED = {
    "number": "a finite number",
    "integer": "an integer",
    "boolean": "true or false",
    "time": "an ISO 8601 time or seconds since 1970 (UTC)",
    "category": "text, an integer, true or false",
}
_PLACEHOLDERS: dict[str, Any] = {"number": 0.0, "integer": 0, "boolean": False, "time": 0, "category": "a"}


def cell_type(column: Column) -> Any:
    """The type of one cell, for pydantic's strict mode; whole numbers, times and levels are looked at again later."""
    one = _KEY if column.role == "key" else _TYPES[column.kind]
    if optional(column):
        if column.kind == "time":
            one = Annotated[one, WithJsonSchema({"anyOf": [*MOMENT["anyOf"], {"enum": list(MISSING_TOKENS)}]})]
        one = one | (None if column.kind == "number" else Missing)
    if column.width == 1:
        return one
    many: Any = Annotated[list[one], Field(min_length=column.width, max_length=column.width)]  # type: ignore[valid-type]
    return many | Missing if optional(column) else many


def optional(column: Column) -> bool:
    """Whether the column may be left out."""
    return column.missing or column.role == "key"


def needed(column: Column) -> str:
    """What a cell must be, to follow the words 'must be'."""
    if column.role == "key":
        return "text or an integer of 64 bits"
    one = _NEEDED[column.kind]
    return one if column.width == 1 else f"a list of {column.width} values, each {one}"


def description(column: Column) -> str:
    """The column for a reader of the docs page: kind, unit, what training saw, where the value comes from."""
    if column.role == "key":
        return "Identifies the row; comes back with its prediction as it was sent."
    parts = [needed(column) + (f", in {column.unit}" if column.unit else "")]
    if column.range is not None and column.kind != "boolean":
        low, high = (plain(column, bound) for bound in column.range)
        parts.append(f"{low} to {high} in training")
    if column.categories:
        more = "" if len(column.categories) <= LEVELS_SHOWN else ", ..."
        parts.append(f"in training: {', '.join(column.categories[:LEVELS_SHOWN])}{more}")
    if column.source is not None:
        by = " and ".join(entity.column for entity in column.source.entity)
        as_of = f" as of {column.source.time}" if column.source.time else ""
        parts.append(f"comes from the feature table {column.source.table}, by {by}{as_of}: the client supplies it")
    if column.missing:
        parts.append("may be missing")
    return "; ".join(parts) + "."


def example(column: Column) -> Any:
    """A typical cell: the median or the most frequent level of training, in the form that a client sends."""
    if column.role == "key":
        return "a-1"
    value = column.typical
    if value is None and column.missing:
        return None
    cell = _PLACEHOLDERS[column.kind] if value is None else plain(column, value)
    return cell if column.width == 1 else [cell] * column.width


def plain(column: Column, value: float | str) -> Any:
    """An encoded value as a client sends it."""
    if isinstance(value, str):
        return value
    if column.kind == "boolean":
        return bool(value)
    if column.kind == "integer":
        return int(value)
    if column.kind == "time":
        try:
            return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value)).isoformat().replace("+00:00", "Z")
        except OverflowError:  # a year that ISO texts of four digits do not reach
            return value
    return value
