"""The OpenAPI document: real fields, units and ranges, from the contract and from the models that validate."""

from typing import Any

from {{ cookiecutter.project_slug }}.schemas.contract import Contract

from . import cells, rules
from .bodies import Bodies
from .keys import OPEN, SCHEMES

Schema = dict[str, Any]


def document(base: Schema, operation: Schema | None, asks_for_key: bool) -> Schema:
    """The whole document: the other routes, `/predict` of the model that is served, and the API key where one is asked.

    Args:
        base: what FastAPI says of the other routes.
        operation: of `/predict`; None while no model is loaded.
        asks_for_key: whether the service is closed to those without.
    """
    paths = ({"/predict": {"post": operation}} if operation else {}) | base["paths"]
    if not asks_for_key:
        return base | {"paths": paths}
    components = base.get("components", {}) | {"securitySchemes": SCHEMES}
    security: list[Schema] = [{name: []} for name in SCHEMES]
    closed = {
        path: {method: described | {"security": security} for method, described in methods.items()}
        for path, methods in paths.items()
        if path not in OPEN
    }
    return base | {"paths": paths | closed, "components": components}


def operation(contract: Contract, bodies: Bodies) -> Schema:
    """What `/predict` takes and answers, with an example of typical values."""
    records = _object({"records": _list(bodies.record.model_json_schema())})
    columns = _object({"columns": bodies.table.model_json_schema()})
    request = {"schema": {"anyOf": [records, columns]}, "example": example(contract)}
    answer = {"schema": {"anyOf": [_answer(contract, by_column=False), _answer(contract, by_column=True)]}}
    return {
        "summary": "Predictions for records or columns",
        "operationId": "predict",
        "requestBody": {"required": True, "content": {"application/json": request}},
        "responses": {
            "200": {"description": "Predictions, in the form of the request", "content": {"application/json": answer}},
            "400": _refusal("The body is not JSON"),
            "401": _refusal("No API key that is known"),
            "408": _refusal("The body did not arrive in time"),
            "413": _refusal("Too many bytes or rows"),
            "422": _refusal("The body does not fit the columns"),
            "503": _refusal("No model is loaded, or no place is free: Retry-After says when to ask again"),
        },
    }


def example(contract: Contract) -> Schema:
    """A request of one row: medians and most frequent levels of training, never a training row."""
    return {"records": [{column.name: cells.example(column) for column in contract.columns}]}


def _answer(contract: Contract, *, by_column: bool) -> Schema:
    def per_row(cell: Schema) -> Schema:
        return _list(cell) if by_column else cell

    fields: dict[str, Schema] = {}
    for target in contract.targets:
        if target.classes is None:
            unit = f", in {target.unit}" if target.unit else ""
            value: Schema = {"type": "number", "description": f"predicted {target.name}{unit}"}
        else:
            kind = "string" if isinstance(target.classes[0], str) else "integer"
            value = {"type": kind, "enum": list(target.classes), "description": f"most probable {target.name}"}
            probability = per_row({"type": "number", "minimum": 0, "maximum": 1})
            fields[target.probabilities] = _object({str(label): probability for label in target.classes})
        fields[target.prediction] = per_row(value)
    keys = {key.name: per_row({"type": ["string", "integer", "null"]}) for key in contract.keys}
    fields |= {name: per_row(schema) for name, schema in rules.FIELDS.items()}
    rows = _object(keys | fields, required=list(fields))
    text, absent = {"type": "string"}, {"type": ["string", "null"], "description": "null for a plain directory"}
    model = _object({"name": text, "version": absent, "alias": absent})
    return _object({"predictions": rows if by_column else _list(rows), "model": model})


def _object(properties: dict[str, Schema], required: list[str] | None = None) -> Schema:
    names = list(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _refusal(description: str) -> Schema:
    detail = {"type": "string", "description": "One line: what is wrong, where, what to do."}
    return {"description": description, "content": {"application/json": {"schema": _object({"detail": detail})}}}
