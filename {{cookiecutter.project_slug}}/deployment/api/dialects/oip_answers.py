"""Answers of the Open Inference Protocol: tensors as JSON, or as bytes after it."""

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from ..exchange import Answer
from . import Outputs
from .oip_requests import Tensors

DTYPES = {"FP32": "<f4", "FP64": "<f8", "INT64": "<i8"}
_BINARY = (b"content-type", b"application/octet-stream")


def written(
    head: Mapping[str, Any], asked: Tensors, outputs: Outputs, described: Mapping[str, tuple[str, int]]
) -> Answer:
    """The answer to a request.

    Args:
        head: name and version of the model.
        asked: the request; says which outputs are wanted, and how.
        outputs: `[N, width]` by name.
        described: datatype and width by name.
    """
    tensors, chunks = [], []
    for name, as_bytes in asked.wanted.items():
        array, datatype = outputs[name], described[name][0]
        tensor: dict[str, Any] = {"name": name, "datatype": datatype, "shape": array.shape}
        if as_bytes:
            chunk = packed(array, datatype)
            chunks.append(chunk)
            tensor["parameters"] = {"binary_data_size": len(chunk)}
        else:
            tensor["data"] = array.reshape(-1).tolist()
        tensors.append(tensor)
    document = dict(head) if asked.id is None else {**head, "id": asked.id}
    body = orjson.dumps({**document, "outputs": tensors})
    if not chunks:
        return Answer(body)
    headers = [_BINARY, (b"inference-header-content-length", b"%d" % len(body))]
    return Answer(b"".join([body, *chunks]), headers)


def packed(array: np.ndarray, datatype: str) -> bytes:
    """A tensor as the extension has it."""
    if datatype != "BYTES":
        return array.astype(DTYPES[datatype], copy=False).tobytes()
    cells = {text: text.encode() for text in set(array.reshape(-1).tolist())}
    known = {text: struct.pack("<I", len(cell)) + cell for text, cell in cells.items()}
    return b"".join([known[text] for text in array.reshape(-1).tolist()])
