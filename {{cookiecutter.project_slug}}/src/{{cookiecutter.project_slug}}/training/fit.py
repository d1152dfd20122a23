"""Front-end, then model: the model is fitted on what the exported front-end returns, so there is one implementation."""

from dataclasses import dataclass, replace

import numpy as np
import onnxruntime

from ..data.table import Table
from ..evaluation.importance import permutation_importance
from ..features import frontend, graph
from ..features.frontend import FrontEnd
from ..features.selection import select
from ..inference.parity import labels
from ..ports import Estimator, FittedModel, Matrix, OnEpoch
from ..schemas.config import TrainConfig
from ..schemas.contract import Column, Target
from ..utils.instantiate import build
from .describe import describe_columns, describe_target

CHUNK = 100_000
"""Rows that go through the front-end at once."""


@dataclass(frozen=True)
class Fitted:
    """A front-end and a model that belong together."""

    columns: tuple[Column, ...]
    target: Target
    front_end: FrontEnd
    model: FittedModel

    def features(self, table: Table) -> np.ndarray:
        """The matrix float32 `[N, F]` that the exported front-end returns."""
        return run_front_end(self.front_end, table)

    def outputs(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """The training framework's predictions for a matrix, under the servable's names, `[N, 1]` or `[N, K]`."""
        raw = self.model.predict(features)
        if self.target.kind == "regression":
            return {self.target.prediction: raw["prediction"]}
        assert self.target.classes is not None
        probabilities = raw["probabilities"]
        label = labels(probabilities, self.target.classes)
        return {self.target.prediction: label, self.target.probabilities: probabilities}

    def predict(self, table: Table) -> dict[str, np.ndarray]:
        """The training framework's predictions for a table."""
        return self.outputs(self.features(table))

    def importance(self, table: Table, repeats: int, seed: int) -> dict[str, float]:
        """Permutation importance of every column that gives a feature, on a table's rows, the highest first."""
        used = {self.front_end.column_of(name) for name in self.front_end.names}
        return permutation_importance(
            lambda columns: self.predict(replace(table, columns={**table.columns, **columns})),
            {column.name: table.columns[column.name] for column in self.columns if column.name in used},
            table.columns[self.target.name][:, 0],
            self.target,
            repeats,
            seed,
        )


def fit(config: TrainConfig, table: Table, train: np.ndarray, val: np.ndarray, on_epoch: OnEpoch) -> Fitted:
    """Fit front-end and model.

    Args:
        config: features, model and data.
        table: all rows.
        train: mask of the rows to fit on, `[N]`.
        val: mask of the rows for early stopping, `[N]`.
        on_epoch: called after each epoch or boosting round.
    """
    columns = describe_columns(table, train, config.data)
    target = describe_target(table, train, config.data)
    inputs = [column for column in columns if column.role != "key"]
    training, validation = table.take(train), table.take(val)
    front_end = frontend.fit(training.columns, inputs, config.features)
    if config.features.selector is not None:
        front_end = select(front_end, config.features.selector, _matrix(front_end, training, target))
    estimator: Estimator = build(config.model)
    model = estimator.fit(_matrix(front_end, training, target), _matrix(front_end, validation, target), on_epoch)
    return Fitted(columns, target, front_end, model)


def run_front_end(front_end: FrontEnd, table: Table) -> np.ndarray:
    """The matrix float32 `[N, F]` of the exported front-end, in chunks."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    blob = graph.to_onnx(front_end).SerializeToString()
    session = onnxruntime.InferenceSession(blob, options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    parts = [
        session.run(None, {name: table.columns[name][start : start + CHUNK] for name in names})[0]
        for start in range(0, max(1, len(table)), CHUNK)
    ]
    return np.concatenate(parts)


def _matrix(front_end: FrontEnd, table: Table, target: Target) -> Matrix:
    return Matrix(
        features=run_front_end(front_end, table),
        target=encoded_target(table, target),
        names=tuple(front_end.names),
        levels=front_end.code_levels,
        classes=len(target.classes or ()),
    )


def encoded_target(table: Table, target: Target) -> np.ndarray:
    """float64 `[N]` in the target's unit, or int64 `[N]` with the number of the class."""
    values = table.columns[target.name][:, 0]
    if target.classes is None:
        return values
    return np.searchsorted(np.array(target.classes, values.dtype), values)
