"""Requests: the raw body, records or columns, becomes columns for the engine."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError, create_model

from {{ cookiecutter.project_slug }}.inference.wire import InputError
from {{ cookiecutter.project_slug }}.schemas.contract import Column, Contract

from . import cells, refusals
from .dialects import Asked


@dataclass(frozen=True)
class Rows(Asked):
    """The rows of one request, one cell per row in each column."""

    keys: dict[str, list[str | int | None]]
    """The keys that the request named, as they were sent."""
    by_column: bool
    """Whether they came as columns."""


class Strict(BaseModel):
    """Base of the models of a body: strict JSON types, no field that is not known."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Bodies:
    """Reads the requests of one contract.

    Args:
        contract: names and kinds of the columns. In the models below a column is the field `c<position>`, with its name
            as the alias, so that any name will do.
        max_rows: of a request; a record takes many times the memory of its JSON, so more are not even begun.
    """

    def __init__(self, contract: Contract, max_rows: int) -> None:
        self._fields = {f"c{position}": column for position, column in enumerate(contract.columns)}
        self._inputs = [(field, column) for field, column in self._fields.items() if column.role != "key"]
        self._keys = [(field, column) for field, column in self._fields.items() if column.role == "key"]
        self._by_name = {column.name: column for column in contract.columns}
        self.record = self._model("Record", cells.cell_type)
        self.table = self._model("Columns", lambda column: _rows(cells.cell_type(column), max_rows))
        fields: dict[str, Any] = {
            "records": (_rows(self.record, max_rows), Field(default=None)),
            "columns": (self.table, Field(default=None)),
        }
        self._body: type[Any] = create_model("Body", __base__=Strict, **fields)

    def read(self, raw: bytes) -> Rows:
        """The rows of a body.

        Raises:
            MalformedError: it is not JSON.
            InputError: it does not fit the contract.
            RefusedRequestError: it has too many rows.
        """
        try:
            body = self._body.model_validate_json(raw)
        except ValidationError as error:
            raise refusals.first(error.errors(include_url=False), self._by_name) from None
        given = body.model_fields_set
        if len(given) != 1:
            has = "both records and columns" if given else "neither records nor columns"
            raise InputError(f"the body has {has}: send {refusals.SHAPE}")
        if "records" in given:
            return self._from_records(body.records)
        return self._from_table(body.columns)

    def _from_records(self, given: list[BaseModel]) -> Rows:
        records = [vars(record) for record in given]  # a field that was left out is None here
        columns = {}
        for field, column in self._inputs:
            values = [record[field] for record in records]
            columns[column.name] = values if column.width == 1 else _wide(values, column)
        keys = {
            column.name: [record[field] for record in records]
            for field, column in self._keys
            if any(field in record.model_fields_set for record in given)
        }
        return Rows(columns, len(records), keys, by_column=False)

    def _from_table(self, given: BaseModel) -> Rows:
        named = given.model_fields_set
        table = {field: getattr(given, field) for field in self._fields if field in named}
        count = self._count(table)
        columns = {}
        for field, column in self._inputs:
            values = table.get(field) or [None] * count
            columns[column.name] = values if column.width == 1 else _wide(values, column)
        keys = {column.name: table[field] for field, column in self._keys if field in table}
        return Rows(columns, count, keys, by_column=True)

    def _model(self, model: str, type_of: Any) -> type[BaseModel]:
        fields: dict[str, Any] = {}
        for field, column in self._fields.items():
            default: Any = None if cells.optional(column) else ...
            name, text = column.name, cells.description(column)
            fields[field] = type_of(column), Field(default, alias=name, title=name, description=text)
        return create_model(model, __base__=Strict, **fields)

    def _count(self, table: dict[str, list[Any]]) -> int:
        counts = {self._fields[field].name: len(values) for field, values in table.items()}
        first = next(iter(counts), "")
        for name, count in counts.items():
            if count != counts[first]:
                raise InputError(f"column {name!r} has {count} rows, column {first!r} has {counts[first]}")
        return counts.get(first, 0)


def _rows(one: Any, most: int) -> Any:
    return Annotated[list[one], FailFast(), Field(max_length=most)]


def _wide(values: list[Any], column: Column) -> list[list[Any]]:
    return [[None] * column.width if cell is None else cell for cell in values]
