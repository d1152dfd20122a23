"""Stands in for Triton's onnxruntime backend, which is C++ and comes with the release image alone.

Triton hands it the models whose configuration says `backend: "onnxruntime"`, unchanged. Requests are answered one by
one: what the real backend does with batches, threads and GPUs is not shown here.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    """One instance of one version of a model; Triton's Python backend calls its methods by name."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the version's graph."""
        name = json.loads(args["model_config"])["default_model_filename"]
        path = Path(args["model_repository"]) / args["model_version"] / name
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.inputs = [tensor.name for tensor in self.session.get_inputs()]
        self.outputs = [tensor.name for tensor in self.session.get_outputs()]

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request, or say why not."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        try:
            feeds = {name: _decoded(triton.get_input_tensor_by_name(request, name).as_numpy()) for name in self.inputs}
            answers = zip(self.outputs, self.session.run(None, feeds), strict=True)
            return triton.InferenceResponse([triton.Tensor(name, _encoded(array)) for name, array in answers])
        except Exception as error:  # whatever it is, the client must get an answer
            return triton.InferenceResponse(error=triton.TritonError(str(error)))


def _decoded(array: np.ndarray) -> np.ndarray:
    """Texts, which Triton hands over as bytes."""
    if array.dtype != object:
        return array
    return np.array([text.decode() for text in array.ravel()], object).reshape(array.shape)


def _encoded(array: np.ndarray) -> np.ndarray:
    if array.dtype != object:
        return array
    return np.array([str(text).encode() for text in array.ravel()], object).reshape(array.shape)
