"""What Triton needs of a servable: its configuration, and the files beside it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

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
TYPES = {
    "tensor(double)": "TYPE_FP64",
    "tensor(float)": "TYPE_FP32",
    "tensor(int64)": "TYPE_INT64",
    "tensor(string)": "TYPE_STRING",
}
"""Triton's names for onnxruntime's types."""


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
        import onnx

        if not NAME.fullmatch(self.name):
            raise UserError(f"{self.name!r} cannot be a model of Triton: letters, digits and . _ - make its name")
        releases.check(onnx.load(self.engine.folder / GRAPH_FILE), self.settings.release)

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
        for tensor, (kind, width) in self.engine.inputs.items():
            config.input.add(name=tensor, data_type=TYPES[kind], dims=[width])
        for tensor, (kind, width) in self.engine.outputs.items():
            labels = f"{self.number}/{LABELS_FILE}" if tensor in labelled else ""
            config.output.add(name=tensor, data_type=TYPES[kind], dims=[width], label_filename=labels)
        config.dynamic_batching.max_queue_delay_microseconds = settings.queue_delay_us
        kind = {"cpu": ModelInstanceGroup.KIND_CPU, "gpu": ModelInstanceGroup.KIND_GPU}[settings.device]
        config.instance_group.add(kind=kind, count=settings.instances)
        warmup = config.model_warmup.add(name="a typical row", batch_size=1)
        for position, described in enumerate(config.input):
            sample = warmup.inputs[described.name]
            sample.data_type, sample.input_data_file = described.data_type, self._warmup(position)
            sample.dims.extend(described.dims)
        return config

    def text(self) -> bytes:
        """`config.pbtxt`."""
        from google.protobuf import text_format

        text: str = text_format.MessageToString(self.config(self.name), as_utf8=True)
        return text.encode()

    @property
    def _typical(self) -> Mapping[str, np.ndarray]:
        """One row of typical values: it comes from no row of the data."""
        row = {}
        for column in self.engine.contract.inputs:
            category = column.kind == "category"
            value = column.typical if column.typical is not None else "" if category else np.nan
            row[column.name] = np.full((1, column.width), value, object if category else np.float64)
        return row

    def _warmup(self, position: int) -> str:
        return f"{self.number}/{position}"


def _raw(array: np.ndarray) -> bytes:
    """The bytes of a tensor as Triton reads them from a file; a text has its length before it."""
    if array.dtype != object:
        return array.tobytes()
    texts = [str(text).encode() for text in array.ravel()]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)


def _line(label: object) -> str:
    """A label on one line."""
    return " ".join(str(label).splitlines())
