"""The OpenAPI document: real fields, units and ranges, from the contract and from the models that validate."""

from enum import Enum
from typing import Any

from {{ cookiecutter.project_slug }}.schemas.contract import Contract

from . import cells, rules
from .bodies import Bodies
from .keys import OPEN, SCHEMES

Schema = dict[str, Any]
TAG: list[str | Enum] = ["The service"]


def document(base: Schema, operations: Schema, asks_for_key: bool) -> Schema:
    """The whole document: the dialects for the model that is served, the other routes, the API key where one is asked.

    Args:
        base: what FastAPI says of the other routes.
        operations: of the dialects, by path and method; none while no model is loaded.
        asks_for_key: whether the service is closed to those without.
    """
    paths = operations | base["paths"]
    if not asks_for_key:
        opened = {path: {method: _open(described) for method, described in paths[path].items()} for path in paths}
        return base | {"paths": opened}
    components = base.get("components", {}) | {"securitySchemes": SCHEMES}
    security: list[Schema] = [{name: []} for name in SCHEMES]
    closed = {
        path: {
            method: _open(described) if path in OPEN else described | {"security": security}
            for method, described in methods.items()
        }
        for path, methods in paths.items()
    }
    return base | {"paths": closed, "components": components}


def _open(operation: Schema) -> Schema:
    """An operation that asks for no key."""
    responses = {status: answer for status, answer in operation["responses"].items() if status != "401"}
    return operation | {"responses": responses}


def operation(contract: Contract, bodies: Bodies) -> Schema:
    """What `/predict` takes and answers, with an example of typical values."""
    records = object_of({"records": list_of(bodies.record.model_json_schema())})
    columns = object_of({"columns": bodies.table.model_json_schema()})
    request = {"schema": {"anyOf": [records, columns]}, "example": example(contract)}
    answer = {"schema": {"anyOf": [_answer(contract, by_column=False), _answer(contract, by_column=True)]}}
    return {
        "summary": "Predictions for records or columns",
        "operationId": "predict",
        "tags": TAG,
        "requestBody": {"required": True, "content": {"application/json": request}},
        "responses": {
            "200": {"description": "Predictions, in the form of the request", "content": {"application/json": answer}},
            **errors(REFUSAL, "400", "401", "408", "413", "415", "422", "503"),
        },
    }


def example(contract: Contract) -> Schema:
    """A request of one row: medians and most frequent levels of training, never a training row."""
    return {"records": [{column.name: cells.example(column) for column in contract.columns}]}


def _answer(contract: Contract, *, by_column: bool) -> Schema:
    def per_row(cell: Schema) -> Schema:
        return list_of(cell) if by_column else cell

    fields: dict[str, Schema] = {}
    for target in contract.targets:
        if target.classes is None:
            unit = f", in {target.unit}" if target.unit else ""
            value: Schema = {"type": "number", "description": f"predicted {target.name}{unit}"}
        else:
            kind = "string" if isinstance(target.classes[0], str) else "integer"
            value = {"type": kind, "enum": list(target.classes), "description": f"most probable {target.name}"}
            probability = per_row({"type": "number", "minimum": 0, "maximum": 1})
            fields[target.probabilities] = object_of({str(label): probability for label in target.classes})
        fields[target.prediction] = per_row(value)
    keys = {key.name: per_row({"type": ["string", "integer", "null"]}) for key in contract.keys}
    fields |= {name: per_row(schema) for name, schema in rules.FIELDS.items()}
    rows = object_of(keys | fields, required=list(fields))
    text, absent = {"type": "string"}, {"type": ["string", "null"], "description": "null for a plain directory"}
    model = object_of({"name": text, "version": absent, "alias": absent})
    return object_of({"predictions": rows if by_column else list_of(rows), "model": model})


def object_of(properties: dict[str, Schema], required: list[str] | None = None) -> Schema:
    """An object with these fields and no other; by default all of them are there."""
    names = list(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}


def list_of(items: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": items}


LINE: Schema = {"type": "string", "description": "One line: what is wrong, where, what to do."}
REFUSAL = object_of({"detail": LINE})
"""An error of `/predict` and of the service's own routes."""
MEANINGS = {
    "400": "The body is not in its format",
    "401": "No API key that is known",
    "404": "There is no such thing here: no such model or version, or no report of it",
    "408": "The body did not arrive in time",
    "413": "Too many bytes or rows",
    "415": "The body's type or encoding is not read here",
    "422": "The body does not fit the columns",
    "503": "No model is loaded, or no place is free: Retry-After says when to ask again",
}


def errors(schema: Schema, *statuses: str) -> dict[int | str, Schema]:
    """Responses that say no, in the form that a dialect has for it."""
    content = {"application/json": {"schema": schema}}
    return {status: {"description": MEANINGS[status], "content": content} for status in statuses}
