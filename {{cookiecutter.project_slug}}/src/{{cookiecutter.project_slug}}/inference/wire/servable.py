# SPDX-License-Identifier: GPL-3.0-only
"""A servable that answers: arrays by name for the engine, data frames for MLflow's pyfunc."""

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from .encoding import encode_columns, plan
from .values import STRICT, InputError, Misfits


def as_columns(data: Any) -> Any:
    """A frame, an Arrow table, a list of records, a dict of columns or one record, as columns by name.

    Raises:
        InputError: it is none of them.
    """
    if hasattr(data, "column_names"):  # pyarrow
        return {name: data[name] for name in data.column_names}
    if hasattr(data, "columns"):  # pandas, polars
        return data
    if isinstance(data, list) and all(isinstance(record, dict) for record in data):
        names = dict.fromkeys(name for record in data for name in record)
        return {name: [record.get(name) for record in data] for name in names}
    if isinstance(data, dict):
        return {
            name: value if hasattr(value, "__len__") and not isinstance(value, str) and np.ndim(value) else [value]
            for name, value in data.items()
        }
    raise InputError(f"cannot read a table from {type(data).__name__}: give a data frame, records or columns")


class Servable:
    """A servable's directory, loaded: `run` for arrays, `predict` for data frames.

    Args:
        folder: the directory with `model.onnx` and `contract.json`.
        threads: threads of one inference; 0 lets onnxruntime choose.
    """

    def __init__(self, folder: str, threads: int | None = None) -> None:
        import onnxruntime

        with open(os.path.join(folder, "contract.json"), encoding="utf-8") as file:  # noqa: PTH118, PTH123
            self.document: dict[str, Any] = json.load(file)
        self._inputs, self._tokens = plan(self.document)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ.get("SERVABLE_THREADS", "0")) if threads is None else threads
        options.log_severity_level = 3
        graph = os.path.join(folder, "model.onnx")  # noqa: PTH118
        self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self.outputs: list[str] = [output.name for output in self.session.get_outputs()]

    def run(self, columns: Any) -> dict[str, np.ndarray]:
        """Predictions `[N, width]` by output name, for columns as `encode` takes them."""
        return self.run_encoded(self.encode(columns))

    def encode(self, columns: Any, misfits: Misfits = STRICT) -> dict[str, np.ndarray]:
        """The graph's inputs; see `encode` of this package."""
        return encode_columns(columns, self._inputs, self._tokens, misfits)

    def run_encoded(self, feeds: Mapping[str, np.ndarray], misfits: Misfits = STRICT) -> dict[str, np.ndarray]:
        """Predictions for columns that are encoded already.

        Args:
            feeds: what `encode` returns.
            misfits: what is told of rows without a finite prediction; the default raises at the first.

        Raises:
            InputError: a row has no finite prediction: an input is far beyond what float32 holds.
        """
        answers = dict(zip(self.outputs, self.session.run(None, dict(feeds)), strict=True))
        for name, array in answers.items():
            if array.dtype.kind == "f" and not (finite := np.isfinite(array)).all():
                for row in np.flatnonzero(~finite.all(axis=1)).tolist():
                    where = f"row {misfits.first + row}"
                    misfits.add(row, f"{where} has no finite {name}: look for an input far from what training saw")
        return answers

    def flat(self, outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs as table columns `[N]`: probabilities become `<target>_probabilities_<class>`."""
        suffixes = {
            f"{target['name']}_probabilities": [str(label) for label in target["classes"]]
            for target in self.document["targets"]
            if target.get("classes")
        }
        flat = {}
        for name, array in outputs.items():
            if array.shape[1] == 1:
                flat[name] = array[:, 0]
            else:
                names = suffixes.get(name, [str(position) for position in range(array.shape[1])])
                flat.update({f"{name}_{suffix}": array[:, i] for i, suffix in enumerate(names)})
        return flat

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:  # noqa: ARG002
        """MLflow's door: any table in, a data frame out, with the index of the frame that came in."""
        import pandas

        try:
            outputs = self.run(as_columns(model_input))
        except InputError as error:
            raise _as_bad_request(error) from None
        frame = hasattr(model_input, "columns") and hasattr(model_input, "index")
        return pandas.DataFrame(self.flat(outputs), index=model_input.index if frame else None)


def _as_bad_request(error: InputError) -> Exception:
    """The error that `mlflow models serve` answers with 400, where MLflow is there; else the error itself."""
    try:
        from mlflow.exceptions import MlflowException
    except ImportError:
        return error
    bad: Exception = MlflowException.invalid_parameter_value(str(error))
    return bad


def _load_pyfunc(path: str) -> Servable:
    return Servable(path)
