"""Feature matrices that tell a right converter from a wrong one, and whether a graph reproduces its model."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime

from {{ cookiecutter.project_slug }}.models.scikit_learn import FittedScikitLearn

from .agreement import off

ROWS, WIDTH = 2_000, 4
CLASSES = {"regression": 0, "binary": 2, "three classes": 3}
"""Number of classes by task."""


@dataclass(frozen=True)
class Case:
    """What a model is fitted on, and the rows that it is asked about."""

    train: np.ndarray
    """float32 `[N, 4]`."""
    signal: np.ndarray
    """float64 `[N]`: what the target is made of."""
    asked: np.ndarray
    """float32 `[M, 4]`."""

    def target(self, classes: int) -> np.ndarray:
        """The signal, or which of as many equal parts of it a row is in."""
        if not classes:
            return self.signal
        edges = np.quantile(self.signal, np.arange(1, classes) / classes)
        return np.digitize(self.signal, edges)


def ordinary() -> Case:
    """Numbers of usual size, one column half zeros."""
    draw = np.random.default_rng(0)
    train = draw.normal(size=(ROWS, WIDTH)).astype(np.float32)
    train[draw.random(ROWS) < 0.5, 3] = 0.0
    signal = 2 * train[:, 0] + np.abs(train[:, 1]) + (train[:, 2] > 0) + train[:, 3] + draw.normal(0, 0.01, ROWS)
    return Case(train, signal, draw.normal(size=(ROWS, WIDTH)).astype(np.float32))


def ladder() -> Case:
    """Adjacent float32 values: a threshold between two of them is none itself, and rounding it moves whole steps."""
    draw = np.random.default_rng(1)
    step = draw.integers(0, 40, (ROWS, WIDTH))
    values = np.float32(1_000) + np.arange(40, dtype=np.float32) * np.spacing(np.float32(1_000))
    signal = (step[:, 0] % 2) * 3.0 + (step[:, 1] > 17) * 5.0 + step[:, 2] % 3 + draw.normal(0, 0.01, ROWS)
    return Case(values[step], signal, values[step])


def near() -> Case:
    """Ordinary training, asked about the float32 neighbours of training values: the ladder for smooth models."""
    case = ordinary()
    return Case(case.train, case.signal, np.nextafter(case.train, np.float32(np.inf)))


def missing_at_test(sign: float) -> Case:
    """Gaps where training had none; libraries read them as 0, so the side depends on the sign of what was seen."""
    case = ordinary()
    train = case.train if sign == 0 else np.float32(sign) * (np.abs(case.train) + 1)
    gaps = np.random.default_rng(2).random(train.shape) < 0.3
    return Case(train, case.signal, np.where(gaps, np.float32(np.nan), train))


def missing_in_training() -> Case:
    """Gaps that say something in one column of the training rows; asked about gaps in every column."""
    case = ordinary()
    draw = np.random.default_rng(3)
    train = case.train.copy()
    gaps = draw.random(ROWS) < 0.3
    train[gaps, 1] = np.nan
    everywhere = draw.random(train.shape) < 0.3
    return Case(train, case.signal + 2 * gaps, np.where(everywhere, np.float32(np.nan), train))


CASES = {
    "ordinary": ordinary(),
    "ladder": ladder(),
    "missing at test": missing_at_test(0),
    "missing at test, positive": missing_at_test(1),
    "missing at test, negative": missing_at_test(-1),
    "missing in training": missing_in_training(),
}


def rows_off(estimator: Any, case: Case, classes: int) -> int:
    """Fit an estimator, and count the rows that its graph answers otherwise than itself."""
    target = case.target(classes)
    boosted = type(estimator).__module__.split(".")[0] in ("lightgbm", "xgboost")
    estimator.fit(case.train if boosted else case.train.astype(np.float64), target)
    fitted = FittedScikitLearn(estimator, WIDTH, classes)
    (want,) = fitted.predict(case.asked).values()
    assert want.std(axis=0).min() > 0
    model = fitted.to_onnx()
    assert [value.name for value in model.graph.output] == ["probabilities" if classes else "prediction"]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {session.get_inputs()[0].name: case.asked})
    assert got.shape == (len(case.asked), classes or 1)
    return off(got, want, float(np.std(target == 0 if classes else target)))
