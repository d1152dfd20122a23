"""The input form: one field per column of the contract, and what was entered as cells of JSON."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from {{ cookiecutter.project_slug }}.schemas.contract import Column, Contract

from ..api import cells
from . import words

Widget = Literal["number", "choice", "open choice", "text"]
"""A number; one of some values; one of some values or any other text; a line of text."""
TRUTHS = {"true": True, "false": False}
LEVELS_NAMED = 8
"""Of a category, in a table of columns."""
_LEFT_OUT = re.compile(r", (row 0|the body) (holds null|lacks it)$")


@dataclass(frozen=True)
class Field:
    """One column as a field. What a widget holds is a number, a text, or None for nothing."""

    column: Column

    @property
    def name(self) -> str:
        """The column's name."""
        return self.column.name

    @property
    def label(self) -> str:
        """Name, unit, and a star where a value is needed."""
        unit = f" ({self.column.unit})" if self.column.unit else ""
        return f"{self.name}{unit}{'' if cells.optional(self.column) else ' *'}"

    @property
    def widget(self) -> Widget:
        """How it is entered."""
        column = self.column
        if column.width > 1 or column.role == "key" or column.kind == "time":
            return "text"
        kinds: dict[str, Widget] = {"boolean": "choice", "category": "open choice"}
        return kinds.get(column.kind, "number")

    @property
    def choices(self) -> list[str]:
        """What is offered; none where there is nothing to choose from."""
        return list(TRUTHS) if self.column.kind == "boolean" else list(self.column.categories or ())

    @property
    def hint(self) -> str:
        """What training saw, in a few words, beside a list of the levels; it may be empty."""
        return self._told("one of these, or any other text")

    @property
    def notes(self) -> str:
        """The same where no list is in view: the first levels are named."""
        levels = self.column.categories or ()
        more = f" and {len(levels) - LEVELS_NAMED:,} more" if len(levels) > LEVELS_NAMED else ""
        return self._told(f"in training {', '.join(levels[:LEVELS_NAMED])}{more}; any other text is taken")

    def _told(self, levels: str) -> str:
        column = self.column
        if column.role == "key":
            return "Identifies the row; optional"
        parts = [f"{column.width} values, separated by commas, the oldest first"] if column.width > 1 else []
        if column.range is not None and column.kind != "boolean":
            low, high = (_shown(column, bound) for bound in column.range)
            parts.append(f"{low} to {high} in training")
        if column.kind == "time" and not column.range:
            parts.append("ISO 8601, UTC where no zone is named")
        if column.kind == "category":
            parts.append(levels if column.categories else "any text")
        if column.source is not None:
            parts.append(f"from the feature table {column.source.table}")
        text = "; ".join(parts)
        return text[:1].upper() + text[1:]

    @property
    def typical(self) -> Any:
        """The median or most frequent level of training, as the widget holds it."""
        column = self.column
        if column.role == "key" or column.typical is None:
            return None
        cell = cells.plain(column, column.typical)
        if column.width > 1:
            return ", ".join([_text(cell)] * column.width)
        return cell if self.widget == "number" else _text(cell)

    def cell(self, entered: Any) -> Any:
        """What was entered, as the service takes it. Whether it fits is for the service to say."""
        column = self.column
        if entered is None or (isinstance(entered, str) and not entered.strip()):
            return None
        if column.width > 1:
            parts = [part.strip() for part in str(entered).split(",")]
            return [_parsed(column, part) if part else None for part in parts]
        if self.widget == "number" and isinstance(entered, int | float):
            whole = column.kind == "integer" and float(entered).is_integer()
            return int(entered) if whole else entered
        return entered if column.role == "key" else _parsed(column, str(entered))


def fields(contract: Contract) -> list[Field]:
    """The form: keys first, then the inputs in the contract's order."""
    return [Field(column) for column in (*contract.keys, *contract.inputs)]


def record(form: Sequence[Field], entered: Mapping[str, Any]) -> dict[str, Any]:
    """A cell per column, None where nothing was entered; keys that were not entered are left out."""
    given = {field.name: field.cell(entered.get(field.name)) for field in form}
    keys = {field.name for field in form if field.column.role == "key"}
    return {name: cell for name, cell in given.items() if cell is not None or name not in keys}


def problem(form: Sequence[Field], detail: str) -> tuple[str | None, str]:
    """The column that a refusal of one row speaks of, and its words without the row; None where it names none."""
    text = _LEFT_OUT.sub("", detail).replace(", row 0 holds ", ", not ")
    named = [field.name for field in form if f"column {field.name!r} " in detail]
    return (max(named, key=len) if named else None), text


def _parsed(column: Column, text: str) -> Any:
    """One cell; text that is of another kind stays as it is, for the service to refuse in its words."""
    if column.kind == "boolean":
        return TRUTHS.get(text.strip().lower(), text)
    if column.kind in ("number", "integer"):
        try:
            value = float(text)
        except ValueError:
            return text
        finite = value - value == 0
        return (int(value) if column.kind == "integer" and value.is_integer() else value) if finite else text
    return text.strip() if column.kind == "time" else text


def _text(cell: Any) -> str:
    return str(cell).lower() if isinstance(cell, bool) else str(cell)


def _shown(column: Column, bound: float) -> str:
    plain = cells.plain(column, bound)
    return words.number(plain) if isinstance(plain, int | float) else str(plain)[:10]
