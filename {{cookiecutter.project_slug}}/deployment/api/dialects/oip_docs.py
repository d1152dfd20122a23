"""The Open Inference Protocol in the OpenAPI document: the model's tensors, by name, type and shape."""

from collections.abc import Mapping
from typing import Any

from {{ cookiecutter.project_slug }}.schemas.contract import Column, Contract

from ..docs import LINE, Schema, errors, list_of, object_of

Tensor = tuple[str, int]
"""Datatype and width."""
ERROR = object_of({"error": LINE})
TAG = ["Open Inference Protocol"]
TEXT: Schema = {"type": "string"}
LENGTH: Schema = {
    "description": "where tensors follow as bytes: the length of the JSON before them",
    "schema": {"type": "integer"},
}
FLAG: Schema = {"type": ["boolean", "null"]}
PARAMETERS: Schema = {"type": ["object", "null"]}
OF_INPUTS = PARAMETERS | {
    "properties": {
        "binary_data_size": {"type": "null", "description": "a number where the tensor follows as bytes, without data"},
        "shared_memory_region": False,
    }
}
OF_OUTPUTS = PARAMETERS | {"properties": {"binary_data": FLAG, "classification": False, "shared_memory_region": False}}
BINARY = (
    "Tensors are the graph's own: FP64 with NaN where a value is missing (bare NaN is read, and null too), BYTES with "
    '"". The binary tensor data extension is spoken: tensors as bytes after the JSON, whose length then is in the '
    "header Inference-Header-Content-Length. A body may be compressed, with Content-Encoding gzip or deflate."
)


def operations(
    name: str, version: str, contract: Contract, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]
) -> dict[str, Any]:
    """All paths of the protocol for one model.

    Args:
        name: of the model.
        version: of the model, as its paths have it.
        contract: what its columns are.
        inputs: datatype and width of each, by name.
        outputs: the same.
    """
    parts = {"model_name": name, "model_version": version}
    described = list_of(object_of({"name": TEXT, "datatype": TEXT, "shape": list_of({"type": "integer"})}))
    configured = list_of(object_of({"name": TEXT, "data_type": TEXT, "dims": list_of({"type": "integer"})}))
    metadata = object_of(
        {"name": TEXT, "versions": list_of(TEXT), "platform": TEXT, "inputs": described, "outputs": described}
    )
    configuration = object_of(
        {
            "name": TEXT,
            "platform": TEXT,
            "max_batch_size": {"type": "integer"},
            "input": configured,
            "output": configured,
        }
    )
    paths = {
        "/v2": _get("The server and its extensions", "v2_server", _server(), "401"),
        "/v2/health/live": _get("Whether the process answers", "v2_live", _true("live")),
        "/v2/health/ready": _get("Whether a model is loaded", "v2_ready", _true("ready"), "503"),
    }
    for base in ("/v2/models/{model_name}", "/v2/models/{model_name}/versions/{model_version}"):
        names = [_parameter(key, value) for key, value in parts.items() if key in base]
        suffix = "_of_version" if len(names) > 1 else ""
        gets = {
            "": ("Names, types and shapes of the model's tensors", "v2_model", metadata),
            "/config": ("The model's configuration, as Triton has it", "v2_config", configuration),
            "/ready": (
                "Whether the model answers",
                "v2_model_ready",
                object_of({"name": TEXT, "ready": {"const": True}}),
            ),
        }
        for path, (summary, operation, schema) in gets.items():
            paths[base + path] = _get(summary, operation + suffix, schema, "401", "404", "503", parameters=names)
        paths[base + "/infer"] = {
            "post": {
                "summary": "Predictions for tensors",
                "description": BINARY,
                "operationId": "v2_infer" + suffix,
                "tags": TAG,
                "parameters": names,
                "requestBody": {"required": True, "content": {"application/json": _request(contract, inputs, outputs)}},
                "responses": {
                    "200": {
                        "description": "The outputs that were asked for",
                        "headers": {"Inference-Header-Content-Length": LENGTH},
                        "content": {
                            "application/json": {"schema": _answer(name, version, outputs)},
                            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
                        },
                    },
                    **errors(ERROR, "400", "401", "404", "408", "413", "415", "503"),
                },
            }
        }
    return paths


def _get(
    summary: str, operation: str, schema: Schema, *statuses: str, parameters: list[Schema] | None = None
) -> dict[str, Schema]:
    answer = {"description": summary, "content": {"application/json": {"schema": schema}}}
    described = {"summary": summary, "operationId": operation, "tags": TAG, "parameters": parameters or []}
    return {"get": described | {"responses": {"200": answer, **errors(ERROR, *statuses)}}}


def _parameter(name: str, value: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "enum": [value]}}


def _true(name: str) -> Schema:
    return object_of({name: {"const": True}})


def _server() -> Schema:
    return object_of({"name": TEXT, "version": TEXT, "extensions": list_of(TEXT)})


def _request(contract: Contract, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> Schema:
    tensors = [_tensor(column, *inputs[column.name]) for column in contract.inputs]
    wanted = _extensible({"name": {"enum": list(outputs)}, "parameters": OF_OUTPUTS}, required=["name"])
    schema = _extensible(
        {
            "id": {"type": ["string", "null"]},
            "parameters": PARAMETERS | {"properties": {"binary_data_output": FLAG}},
            "inputs": {
                "type": "array",
                "description": "every input of the model, in any order",
                "prefixItems": tensors,
                "minItems": len(tensors),
                "items": False,
            },
            "outputs": {
                "type": ["array", "null"],
                "description": "none: all of them",
                "items": wanted,
                "maxItems": len(outputs),
            },
        },
        required=["inputs"],
    )
    return {"schema": schema, "example": example(contract, inputs)}


def example(contract: Contract, inputs: Mapping[str, Tensor]) -> Schema:
    """A request of one row: medians and most frequent levels of training."""
    return {
        "inputs": [
            {
                "name": column.name,
                "datatype": inputs[column.name][0],
                "shape": [1, column.width],
                "data": [_typical(column, inputs[column.name][0])] * column.width,
            }
            for column in contract.inputs
        ]
    }


def _typical(column: Column, datatype: str) -> Any:
    if column.typical is not None:
        return column.typical
    return None if column.missing else "a" if datatype == "BYTES" else 0.0


def _tensor(column: Column, datatype: str, width: int) -> Schema:
    cell: Schema = {"type": "number"}
    if datatype == "BYTES":
        cell = {"type": "string"}
    elif column.kind == "integer":
        cell = {"type": "integer"}
    elif column.kind == "boolean":
        cell = {"enum": [0, 1]}
    if column.missing:
        cell = {"anyOf": [cell, {"type": "null"}]}
    shape = {
        "type": "array",
        "prefixItems": [{"type": "integer", "minimum": 0, "description": "rows"}, {"const": width}],
        "minItems": 2,
        "items": False,
    }
    fields: dict[str, Schema] = {
        "name": {"const": column.name},
        "datatype": {"const": datatype},
        "shape": shape,
        "data": list_of(cell) | {"description": "row by row; a list per row is read too"},
    }
    optional: dict[str, Schema] = {"parameters": OF_INPUTS}
    return _extensible(fields | optional, required=list(fields))


def _extensible(properties: dict[str, Schema], required: list[str]) -> Schema:
    """An object of a request: extensions of the protocol bring fields of their own, which are passed over."""
    return {"type": "object", "properties": properties, "required": required}


def _answer(name: str, version: str, outputs: Mapping[str, Tensor]) -> Schema:
    kinds = {"BYTES": "string", "INT64": "integer"}
    tensors = [
        object_of(
            {
                "name": {"const": output},
                "datatype": {"const": datatype},
                "shape": list_of({"type": "integer"}) | {"minItems": 2, "maxItems": 2},
                "data": list_of({"type": kinds.get(datatype, "number")}),
            }
        )
        for output, (datatype, _) in outputs.items()
    ]
    answered = {"model_name": {"const": name}, "model_version": {"const": version}, "id": TEXT}
    answered["outputs"] = list_of({"anyOf": tensors})
    return object_of(answered, required=["model_name", "model_version", "outputs"])
