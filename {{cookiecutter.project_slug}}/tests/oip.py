"""Requests of the Open Inference Protocol: rows as tensors, in JSON and in bytes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from starlette.testclient import TestClient

from {{ cookiecutter.project_slug }}.inference.engine import Engine

from deployment.api.dialects.oip_answers import packed
from tests.servables import COLUMNS

INPUTS = [column for column in COLUMNS if column.role != "key"]
INFER = "/v2/models/house/infer"
LENGTH = "Inference-Header-Content-Length"


def tensors(folder: Path, rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Rows in the wire encoding: what a client of the protocol sends."""
    return Engine(folder).encode({column.name: [row[column.name] for row in rows] for column in INPUTS})


def as_json(arrays: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "datatype": "FP64" if array.dtype.kind == "f" else "BYTES",
            "shape": list(array.shape),
            "data": array.reshape(-1).tolist(),
        }
        for name, array in arrays.items()
    ]


def as_bytes(arrays: dict[str, np.ndarray]) -> tuple[bytes, bytes]:
    """JSON and the bytes after it, of a request for answers in bytes."""
    inputs, chunks = as_json(arrays), []
    for tensor in inputs:
        del tensor["data"]
        chunks.append(packed(arrays[tensor["name"]], tensor["datatype"]))
        tensor["parameters"] = {"binary_data_size": len(chunks[-1])}
    document = {"inputs": inputs, "parameters": {"binary_data_output": True}}
    return json.dumps(document).encode(), b"".join(chunks)


def changed(name: str, /, **fields: Any) -> Any:
    """A request with one input's fields replaced; None takes a field away."""

    def change(inputs: list[dict[str, Any]]) -> Any:
        tensor = next(tensor for tensor in inputs if tensor["name"] == name)
        tensor |= fields
        for field in [field for field, value in fields.items() if value is None]:
            del tensor[field]
        return {"inputs": inputs}

    return change


def ask(client: TestClient, content: Any, path: str = INFER, **headers: str) -> tuple[int, Any]:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    response = client.post(path, content=raw, headers={key.replace("_", "-"): text for key, text in headers.items()})
    return response.status_code, response.json()
