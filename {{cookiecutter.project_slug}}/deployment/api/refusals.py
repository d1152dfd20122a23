"""What is wrong with a body, in one line that names column, row and value."""

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from {{ cookiecutter.project_slug }}.inference.wire import InputError
from {{ cookiecutter.project_slug }}.schemas.contract import Column

from . import cells
from .exchange import RefusedRequestError

SHAPE = '{"records": [{"<column>": value, ...}, ...]} or {"columns": {"<column>": [value, ...], ...}}'
_JSON = {None: "null", True: "true", False: "false"}


class MalformedError(InputError):
    """A body that is not in its format: no JSON, for one."""


def too_many(rows: int, allowed: int) -> RefusedRequestError:
    """More rows than a request may have; said before anything is made of them that is larger than the body."""
    return RefusedRequestError(413, f"the request has {rows} rows, {allowed} are allowed: send fewer at a time", "rows")


def first(errors: Sequence[ErrorDetails], columns: Mapping[str, Column]) -> InputError | RefusedRequestError:
    """Pydantic's errors as the one to mend first: a name that is not known before the column that it was meant for."""
    error = next((error for error in errors if error["type"] == "extra_forbidden"), errors[0])
    kind, value = error["type"], error["input"]
    if kind == "json_invalid":
        return MalformedError(f"the body is not JSON: {error['msg'].removeprefix('Invalid JSON: ')}")
    match error["loc"]:
        case ("records",) | ("columns", _) if kind == "too_long":
            return too_many(error["ctx"]["actual_length"], error["ctx"]["max_length"])
        case ():
            text = f"the body must be an object, not {shown(value)}: send {SHAPE}"
        case ("records",):
            text = f"records must be a list of objects, one per row, not {shown(value)}"
        case ("columns",):
            text = f"columns must be an object of lists, one per column, not {shown(value)}"
        case ("records", int(row)):
            text = f"row {row} must be an object with a value per column, not {shown(value)}"
        case ("records", int(row), str(name), *inside):
            text = _of_column(name, columns.get(name), kind, f"row {row}", value, inside)
        case ("columns", str(name)) if kind == "list_type":
            text = f"column {name!r} must be a list, one value per row, not {shown(value)}"
        case ("columns", str(name)):
            text = _of_column(name, columns.get(name), kind, "the body", value, [])
        case ("columns", str(name), int(row), *inside):
            text = _of_column(name, columns.get(name), kind, f"row {row}", value, inside)
        case where:
            text = f"unknown field {shown(where[0])} in the body: send {SHAPE}"
    return InputError(text)


def _of_column(name: str, column: Column | None, kind: str, where: str, value: Any, inside: Sequence[int | str]) -> str:
    if column is None:
        return f"unknown column {shown(name)} in {where}: GET /model lists the columns"
    if kind == "missing":
        return f"column {name!r} may not be missing, {where} lacks it"
    if value is None and not column.missing:
        return f"column {name!r} may not be missing, {where} holds null"
    position = next((f" at position {part}" for part in inside if isinstance(part, int)), "")
    return f"column {name!r} must be {cells.needed(column)}, {where} holds {shown(value)}{position}"


def shown(value: Any) -> str:
    """A value in at most a few dozen characters, on one line."""
    return _JSON.get(value, "") if value is None or isinstance(value, bool) else reprlib.repr(value)
