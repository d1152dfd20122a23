"""`/v2`, the Open Inference Protocol: the REST that KServe and Triton speak, so that their clients are clients of this.

Tensors are the graph's own, in the wire encoding: FP64 with NaN where a value is missing, BYTES with "".
"""

import re
from collections.abc import Mapping
from functools import partial
from importlib import metadata
from typing import Any

import orjson

import {{ cookiecutter.project_slug }} as project
from {{ cookiecutter.project_slug }}.inference.engine import Engine

from ..exchange import Answer, RefusedRequestError, Request
from . import Host, Identity, Outputs, Route
from .oip_answers import written
from .oip_docs import operations
from .oip_requests import Reader, Tensors

EXTENSIONS = ("binary_tensor_data", "model_configuration")
ONLY_VERSION = "1"
"""Of a plain directory, which has none."""
PLATFORM = "onnxruntime_onnx"
DATATYPES = {"tensor(double)": "FP64", "tensor(float)": "FP32", "tensor(int64)": "INT64", "tensor(string)": "BYTES"}
"""The protocol's names of the graph's types."""
_MODEL = re.compile(
    r"/v2/models/(?P<model>[^/]+)(?:/versions/(?P<version>[^/]+))?(?:/(?P<what>infer|ready|config))?", re.DOTALL
)


class OpenInference:
    """The dialect.

    Args:
        max_rows: of a request; Triton's name for it is the greatest batch size.
    """

    roots = ("v2",)

    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows

    def find(self, path: str) -> Route | None:
        """The server, its health, and the model by name, with a version or without."""
        found = _MODEL.fullmatch(path)
        if found is None:
            return _SERVER.get(path)
        names = {key: name for key in ("model", "version") if (name := found[key]) is not None}
        version = "/versions/{model_version}" if "version" in names else ""
        what = found["what"]
        template = "/v2/models/{model_name}" + version + (f"/{what}" if what else "")
        return Route(template, None if what == "infer" else partial(self._about, what), names)

    def error(self, status: int, detail: str, request_id: str) -> tuple[int, bytes]:
        """`{"error": "<one line>"}`; the protocol's servers say 400 to all that is wrong with a body."""
        if status == 500:
            detail = f"{detail}: {request_id}"
        return 400 if status == 422 else status, orjson.dumps({"error": detail})

    def interpreter(self, engine: Engine, identity: Identity) -> "OpenInferenceInterpreter":
        """The dialect for a model."""
        return OpenInferenceInterpreter(engine, identity, self._max_rows)

    def _about(self, what: str | None, host: Host, names: Mapping[str, str]) -> Answer:
        """Metadata, configuration or readiness of a model."""
        about: OpenInferenceInterpreter = host.interpreter(self)
        about.check(names)
        if what == "ready":
            host.check_ready()
            return _json({"name": about.name, "ready": True})
        return _json(about.configuration() if what == "config" else about.metadata())


class OpenInferenceInterpreter:
    """Reads and answers `/v2` for one model.

    Args:
        engine: the model.
        identity: its name and version.
        max_rows: of a request.
    """

    def __init__(self, engine: Engine, identity: Identity, max_rows: int) -> None:
        self.name = str(identity["name"])
        self.version = identity["version"] or ONLY_VERSION
        self._max_rows, self._contract = max_rows, engine.contract
        self._inputs, self._outputs = _tensors(engine.inputs), _tensors(engine.outputs)
        self._reader = Reader(engine.contract, self._inputs, self._outputs)

    def check(self, names: Mapping[str, str]) -> None:
        """Whether a path names this model and this version.

        Raises:
            RefusedRequestError: it names another one.
        """
        if names["model"] != self.name:
            detail = f"unknown model {_shown(names['model'])}: this server answers for {self.name!r}"
            raise RefusedRequestError(404, detail, "unknown")
        if names.get("version", self.version) != self.version:
            detail = f"model {self.name!r} has no version {_shown(names['version'])} here: it serves {self.version}"
            raise RefusedRequestError(404, detail, "unknown")

    def read(self, request: Request) -> Tensors:
        """Tensors, as JSON or as bytes after the JSON."""
        self.check(request.names)
        return self._reader.read(request)

    def write(self, asked: Tensors, outputs: Outputs) -> Answer:
        """The tensors that were asked for, each as JSON or as bytes after it."""
        return written({"model_name": self.name, "model_version": self.version}, asked, outputs, self._outputs)

    def metadata(self) -> dict[str, Any]:
        """Names, types and shapes of the tensors."""
        return {
            "name": self.name,
            "versions": [self.version],
            "platform": PLATFORM,
            "inputs": [_described(name, *tensor) for name, tensor in self._inputs.items()],
            "outputs": [_described(name, *tensor) for name, tensor in self._outputs.items()],
        }

    def configuration(self) -> dict[str, Any]:
        """The part of Triton's model configuration that clients look at."""
        return {
            "name": self.name,
            "platform": PLATFORM,
            "max_batch_size": self._max_rows,
            "input": [_configured(name, *tensor) for name, tensor in self._inputs.items()],
            "output": [_configured(name, *tensor) for name, tensor in self._outputs.items()],
        }

    def operations(self) -> dict[str, Any]:
        """All paths of the protocol, with the model's tensors."""
        return operations(self.name, self.version, self._contract, self._inputs, self._outputs)


def _live(host: Host, names: Mapping[str, str]) -> Answer:
    del host, names
    return _json({"live": True})


def _ready(host: Host, names: Mapping[str, str]) -> Answer:
    del names
    host.check_ready()
    return _json({"ready": True})


def _server(host: Host, names: Mapping[str, str]) -> Answer:
    del host, names
    try:
        version = metadata.version(project.__name__)
    except metadata.PackageNotFoundError:  # a checkout that was never installed
        version = "unreleased"
    return _json({"name": project.__name__, "version": version, "extensions": EXTENSIONS})


_SERVER = {
    path: Route(path, get) for path, get in (("/v2", _server), ("/v2/health/live", _live), ("/v2/health/ready", _ready))
}


def _tensors(tensors: Mapping[str, tuple[str, int]]) -> dict[str, tuple[str, int]]:
    return {name: (DATATYPES[kind], width) for name, (kind, width) in tensors.items()}


def _described(name: str, datatype: str, width: int) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [-1, width]}


def _configured(name: str, datatype: str, width: int) -> dict[str, Any]:
    return {"name": name, "data_type": f"TYPE_{'STRING' if datatype == 'BYTES' else datatype}", "dims": [width]}


def _json(document: dict[str, Any]) -> Answer:
    return Answer(orjson.dumps(document))


def _shown(name: str) -> str:
    return repr(name[:100])
