"""Inference requests of the Open Inference Protocol: JSON, and tensors as bytes after it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic_core import from_json

from {{ cookiecutter.project_slug }}.inference.wire import InputError
from {{ cookiecutter.project_slug }}.schemas.contract import Contract

from ..exchange import Request
from ..refusals import MalformedError, shown
from . import Asked
from .oip_bytes import Tail, floats, texts

LENGTH = b"inference-header-content-length"
_NUMBERS, _TEXTS = {float, int, type(None)}, {str, type(None)}
"""JSON types of a tensor's values; null is what JavaScript writes for NaN."""


@dataclass(frozen=True)
class Tensors(Asked):
    """The tensors of one request, and which ones are wanted back."""

    wanted: Mapping[str, bool]
    """Outputs by name, and whether as bytes."""
    id: str | None


class Reader:
    """Reads the requests of one model.

    Args:
        contract: names the keys, which are no tensors.
        inputs: datatype and width by name.
        outputs: the same.
    """

    def __init__(
        self, contract: Contract, inputs: Mapping[str, tuple[str, int]], outputs: Mapping[str, tuple[str, int]]
    ) -> None:
        self._inputs, self._outputs = inputs, outputs
        self._keys = frozenset(key.name for key in contract.keys)

    def read(self, request: Request) -> Tensors:
        """The tensors of a request.

        Raises:
            MalformedError: it is not what the protocol says.
            InputError: a tensor is not one of the model's.
        """
        head, tail = _parted(request)
        try:
            document = from_json(head)
        except ValueError as error:
            raise MalformedError(f"the request is not JSON: {error}") from None
        given = _field(document, "inputs", list, "the request")
        columns: dict[str, Any] = {}
        counts: dict[str, int] = {}
        for tensor in given:
            name = _field(tensor, "name", str, "an input")
            if name in columns:
                raise MalformedError(f"input {name!r} is there twice")
            columns[name], counts[name] = self._column(name, tensor, tail)
        tail.check_end()
        absent = [name for name in self._inputs if name not in columns]
        if absent:
            raise InputError(f"missing input{'s' if len(absent) > 1 else ''}: {', '.join(map(repr, absent))}")
        first, count = next(iter(counts.items()))
        for name, other in counts.items():
            if other != count:
                raise InputError(f"input {name!r} has {other} rows, input {first!r} has {count}")
        return Tensors(columns, count, self._wanted(document), _field(document, "id", str, "the request", None))

    def _column(self, name: str, tensor: Any, tail: Tail) -> tuple[Any, int]:
        if name not in self._inputs:
            why = "is a key, and no input of the graph" if name in self._keys else "is no input of this model"
            raise InputError(f"input {shown(name)} {why}: GET the model's metadata for their names")
        datatype, width = self._inputs[name]
        where = f"input {name!r}"
        given = _field(tensor, "datatype", str, where)
        if given != datatype:
            raise InputError(f"{where} must be {datatype}, not {shown(given)}")
        shape = _field(tensor, "shape", list, where)
        if len(shape) != 2 or not all(type(size) is int and 0 <= size < 2**63 for size in shape) or shape[1] != width:
            raise InputError(f"{where} must have the shape [rows, {width}], not {shown(shape)}")
        rows: int = shape[0]
        parameters = _field(tensor, "parameters", dict, where, {})
        if "shared_memory_region" in parameters:
            raise MalformedError(f"{where} lies in shared memory, which is not read here: send the tensor")
        size = parameters.get("binary_data_size")
        if (size is None) == ("data" not in tensor):
            raise MalformedError(f"{where} must have either data or the parameter binary_data_size")
        if size is None:
            return _from_list(_field(tensor, "data", list, where), datatype, rows, width, where), rows
        chunk = tail.take(size, where)
        values = floats(chunk, rows * width, where) if datatype == "FP64" else texts(chunk, rows * width, where)
        return _shaped(values, rows, width), rows

    def _wanted(self, document: Mapping[str, Any]) -> dict[str, bool]:
        parameters = _field(document, "parameters", dict, "the request", {})
        as_bytes = _flag(parameters, "binary_data_output", False)
        given = _field(document, "outputs", list, "the request", [])
        wanted = {}
        for output in given:
            name = _field(output, "name", str, "an output")
            if name not in self._outputs:
                names = ", ".join(map(repr, self._outputs))
                raise InputError(f"output {shown(name)} is none of this model: it has {names}")
            if name in wanted:
                raise MalformedError(f"output {name!r} is there twice")
            parameters = _field(output, "parameters", dict, f"output {name!r}", {})
            odd = parameters.keys() & {"classification", "shared_memory_region"}
            if odd:
                raise MalformedError(f"output {name!r}: {min(odd)} is an extension that is not spoken here")
            wanted[name] = _flag(parameters, "binary_data", as_bytes)
        return wanted or dict.fromkeys(self._outputs, as_bytes)


def _parted(request: Request) -> tuple[bytes, Tail]:
    """The JSON of a request, and the bytes after it."""
    given = request.headers.get(LENGTH)
    if given is None:
        return request.body, Tail(b"")
    length = int(given) if given.isdigit() and len(given) < 20 else -1
    if not 0 < length <= len(request.body):
        raise MalformedError(
            f"Inference-Header-Content-Length must be between 1 and the {len(request.body)} bytes of the body, "
            f"not {shown(given.decode('latin-1'))}"
        )
    return request.body[:length], Tail(request.body[length:])


def _from_list(values: list[Any], datatype: str, rows: int, width: int, where: str) -> Any:
    if values and type(values[0]) is list:  # nested by rows
        if len(values) != rows or any(type(row) is not list or len(row) != width for row in values):
            raise InputError(f"{where} has data that are not {rows} lists of {width}, as its shape says")
        values = [value for row in values for value in row]
    if len(values) != rows * width:
        raise InputError(f"{where} has {len(values)} values, its shape says {rows * width}")
    allowed = _NUMBERS if datatype == "FP64" else _TEXTS
    if not allowed.issuperset(map(type, values)):
        odd = next(position for position, value in enumerate(values) if type(value) not in allowed)
        needed = "a number" if datatype == "FP64" else "text"
        raise InputError(f"{where} must be {needed}, row {odd // width} holds {shown(values[odd])}")
    if datatype != "FP64":
        return _shaped(values, rows, width)
    try:
        return _shaped(np.array(values, np.float64), rows, width)
    except OverflowError:
        odd = next(place for place, value in enumerate(values) if abs(value or 0) > sys.float_info.max)
        raise InputError(f"{where} must be a finite number, row {odd // width} holds more than FP64 can") from None


def _shaped(values: Any, rows: int, width: int) -> Any:
    """`[rows, width]`; text of width 1 stays a list, which the wire encoding reads at once."""
    if isinstance(values, list):
        return values if width == 1 else np.array(values, object).reshape(rows, width)
    return values.reshape(rows, width)


_REQUIRED = object()
_KINDS = {list: "a list", dict: "an object", str: "text", bool: "true or false"}


def _field(document: Any, name: str, kind: type, where: str, default: Any = _REQUIRED) -> Any:
    """A field that must be of a JSON type; null is like none."""
    if type(document) is not dict:
        raise MalformedError(f"{where} must be an object, not {shown(document)}")
    value = document.get(name)
    if value is None and default is not _REQUIRED:
        return default
    if type(value) is not kind:
        held = f"not {shown(value)}" if name in document else "and is absent"
        raise MalformedError(f"{where}: {name} must be {_KINDS[kind]}, {held}")
    return value


def _flag(parameters: Mapping[str, Any], name: str, default: bool) -> bool:
    value: bool = _field(parameters, name, bool, "parameters", default)
    return value
