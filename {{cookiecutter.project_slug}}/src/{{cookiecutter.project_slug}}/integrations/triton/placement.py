"""What Triton needs of a servable: its configuration, and the files beside it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ...inference.engine import Engine
from ...ports import UserError
from ...schemas.contract import GRAPH_FILE
from ...schemas.triton import TritonSettings
from . import releases

if TYPE_CHECKING:
    from tritonclient.grpc.model_config_pb2 import ModelConfig

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Names of models: Triton looks for the folder under the name as it stands in the URL, quotes included."""
LABELS_FILE = "labels.txt"


@dataclass(frozen=True)
class Placement:
    """One version of a model as Triton wants it.

    Raises:
        UserError: the release cannot load the graph, or the model's name cannot be Triton's.
    """

    engine: Engine
    number: int
    settings: TritonSettings

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise UserError(f"{self.name!r} cannot be a model of Triton: letters, digits and . _ - make its name")
        releases.check(self._graph, self.settings.release)

    @property
    def name(self) -> str:
        """The registered model's name, and Triton's."""
        return self.engine.contract.name

    @cached_property
    def files(self) -> dict[str, bytes]:
        """The version's files by their path below the model's folder."""
        files = {f"{self.number}/{GRAPH_FILE}": (self.engine.folder / GRAPH_FILE).read_bytes()}
        if labels := [_line(label) for target in self.engine.contract.targets for label in target.classes or ()]:
            files[f"{self.number}/{LABELS_FILE}"] = "".join(f"{label}\n" for label in labels).encode()
        for position, array in enumerate(self._typical.values()):
            files[f"warmup/{self._warmup(position)}"] = _raw(array)
        return files

    def config(self, name: str) -> "ModelConfig":
        """The model's configuration, with this version as the one that is served.

        Args:
            name: under which the server is to know it.
        """
        from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup

        settings = self.settings
        config = ModelConfig(name=name, backend="onnxruntime", max_batch_size=settings.max_batch_size)
        config.default_model_filename = GRAPH_FILE
        config.version_policy.specific.versions.append(self.number)
        labelled = {target.probabilities for target in self.engine.contract.targets if target.classes}
        for tensor in self._graph.graph.input:
            config.input.add(name=tensor.name, **_tensor(tensor))
        for tensor in self._graph.graph.output:
            output = config.output.add(name=tensor.name, **_tensor(tensor))
            if tensor.name in labelled:
                output.label_filename = f"{self.number}/{LABELS_FILE}"
        config.dynamic_batching.max_queue_delay_microseconds = settings.queue_delay_us
        kind = {"cpu": ModelInstanceGroup.KIND_CPU, "gpu": ModelInstanceGroup.KIND_GPU}[settings.device]
        config.instance_group.add(kind=kind, count=settings.instances)
        warmup = config.model_warmup.add(name="a typical row", batch_size=1)
        for position, tensor in enumerate(config.input):
            sample = warmup.inputs[tensor.name]
            sample.data_type, sample.input_data_file = tensor.data_type, self._warmup(position)
            sample.dims.extend(tensor.dims)
        return config

    def text(self) -> bytes:
        """`config.pbtxt`."""
        from google.protobuf import text_format

        text: str = text_format.MessageToString(self.config(self.name), as_utf8=True)
        return text.encode()

    @cached_property
    def _graph(self) -> Any:
        import onnx

        return onnx.load(self.engine.folder / GRAPH_FILE)

    @cached_property
    def _typical(self) -> Mapping[str, np.ndarray]:
        """One row of typical values, in the order of the graph's inputs: it comes from no row of the data."""
        columns = {column.name: column for column in self.engine.contract.inputs}
        row = {}
        for tensor in self._graph.graph.input:
            column = columns[tensor.name]
            missing = "" if column.kind == "category" else np.nan
            value = missing if column.typical is None else column.typical
            dtype = object if column.kind == "category" else np.float64
            row[column.name] = np.full((1, column.width), value, dtype)
        return row

    def _warmup(self, position: int) -> str:
        return f"{self.number}/{position}"


def _tensor(tensor: Any) -> dict[str, Any]:
    """Type and dims of a graph's input or output, the batch left out."""
    from onnx import TensorProto
    from tritonclient.grpc import model_config_pb2

    described = tensor.type.tensor_type
    types = {
        TensorProto.DOUBLE: model_config_pb2.TYPE_FP64,
        TensorProto.FLOAT: model_config_pb2.TYPE_FP32,
        TensorProto.INT64: model_config_pb2.TYPE_INT64,
        TensorProto.STRING: model_config_pb2.TYPE_STRING,
    }
    return {"data_type": types[described.elem_type], "dims": [d.dim_value for d in described.shape.dim[1:]]}


def _raw(array: np.ndarray) -> bytes:
    """The bytes of a tensor as Triton reads them from a file; a text has its length before it."""
    if array.dtype != object:
        return array.tobytes()
    texts = [str(text).encode() for text in array.ravel()]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)


def _line(label: object) -> str:
    """A label on one line."""
    return " ".join(str(label).splitlines())
