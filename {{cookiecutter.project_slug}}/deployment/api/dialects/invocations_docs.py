"""`/invocations` and `/ping` in the OpenAPI document."""

import re
from typing import Any

from {{ cookiecutter.project_slug }}.schemas.contract import MISSING_TOKENS, Column, Contract

from .. import cells
from ..docs import LINE, Schema, errors, list_of, object_of

ERROR = object_of({"error_code": {"type": "string", "description": "MLflow's name for it"}, "message": LINE})
TAG = ["MLflow and SageMaker"]
FORMATS = (
    "One of MLflow's formats; all columns of the model must be there, others are ignored. With the Content-Type "
    "text/csv a table is read too: a line with the columns' names, then a line per row. A cell may be text there."
)


def operations(contract: Contract) -> dict[str, Any]:
    """`/invocations` with the model's columns, and `/ping`."""
    prediction = list_of(object_of(dict(_answered(contract))))
    answer = {"application/json": {"schema": object_of({"predictions": prediction})}}
    healthy = {"description": "It does", "content": {"application/json": {}}}
    return {
        "/invocations": {
            "post": {
                "summary": "Predictions as `mlflow models serve` answers them",
                "description": FORMATS,
                "operationId": "invocations",
                "tags": TAG,
                "requestBody": {"required": True, "content": {"application/json": _request(contract)}},
                "responses": {
                    "200": {"description": "A record per row", "content": answer},
                    **errors(ERROR, "400", "401", "408", "413", "415", "503"),
                },
            }
        },
        "/ping": {
            "get": {
                "summary": "Whether the server takes requests",
                "operationId": "ping",
                "tags": TAG,
                "responses": {"200": healthy, **errors(ERROR, "503")},
            }
        },
    }


def _request(contract: Contract) -> Schema:
    cell = {column.name: _cell(column) for column in contract.inputs}
    names = list(cell)
    record: Schema = {"type": "object", "properties": cell, "required": names}
    columns = {"type": "object", "properties": {name: list_of(cell[name]) for name in names}, "required": names}
    split = object_of(
        {
            "columns": _tuple([{"const": name} for name in names]),
            "data": list_of(_tuple([cell[name] for name in names])),
            "index": {"type": ["array", "null"]},
        },
        required=["columns", "data"],
    )
    rows = list_of(record) | {"minItems": 1}
    formats = {"dataframe_split": split, "dataframe_records": rows, "inputs": columns, "instances": rows}
    schema = {"anyOf": [object_of({name: form, "params": {}}, required=[name]) for name, form in formats.items()]}
    return {"schema": schema, "example": example(contract)}


def example(contract: Contract) -> Schema:
    """A request of one row: medians and most frequent levels of training."""
    return {"dataframe_records": [{column.name: cells.example(column) for column in contract.inputs}]}


def _cell(column: Column) -> Schema:
    """What a cell may be: values as JSON has them, or text as a file has it."""
    forms: dict[str, list[Schema]] = {
        "number": [{"type": "number"}, _text("[+-]?[0-9]+([.][0-9]*)?([eE][+-]?[0-9]{1,2})?")],
        "integer": [{"type": "integer"}, _text("[+-]?[0-9]+")],
        "boolean": [{"type": "boolean"}, {"enum": [0, 1]}, _text("[tT]rue|TRUE|[fF]alse|FALSE|[01]")],
        "time": [cells.MOMENT, _text("[+-]?[0-9]{1,7}([.][0-9]*)?")],
        "category": [{"type": ["string", "number", "boolean"]}],
    }
    gaps: list[Schema] = [{"type": "null"}, _text("|".join(map(re.escape, MISSING_TOKENS)))] if column.missing else []
    one: Schema = {"anyOf": forms[column.kind] + gaps}
    if column.width > 1:
        one = list_of(one) | {"minItems": column.width, "maxItems": column.width}
    return one | {"description": cells.description(column)}


def _text(pattern: str) -> Schema:
    return {"type": "string", "pattern": rf"^\s*({pattern})\s*$"}


def _tuple(items: list[Schema]) -> Schema:
    return {"type": "array", "prefixItems": items, "minItems": len(items), "items": False}


def _answered(contract: Contract) -> list[tuple[str, Schema]]:
    fields: list[tuple[str, Schema]] = []
    for target in contract.targets:
        if target.classes is None:
            fields.append((target.prediction, {"type": "number"}))
        else:
            kind = "string" if isinstance(target.classes[0], str) else "integer"
            fields.append((target.prediction, {"type": kind, "enum": list(target.classes)}))
            probability: Schema = {"type": "number", "minimum": 0, "maximum": 1}
            fields += [(f"{target.probabilities}_{label}", probability) for label in target.classes]
    return fields
