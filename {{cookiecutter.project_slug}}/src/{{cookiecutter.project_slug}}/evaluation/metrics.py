"""Metrics of a set of predictions, by name. A new one is a line in the table of its task."""

from collections.abc import Mapping

import numpy as np
from sklearn import metrics

from ..schemas.contract import Target

MAIN = {"regression": "rmse", "classification": "log_loss"}
"""The metric by which models are compared; lower is better. The mean of the rows' losses, or its root."""


def evaluate(target: Target, truth: np.ndarray, outputs: Mapping[str, np.ndarray]) -> dict[str, float]:
    """All metrics of the target's task.

    Args:
        target: what was predicted.
        truth: the target's values or labels, `[N]`.
        outputs: predictions under the servable's names, `[N, 1]` or `[N, K]`.

    Returns:
        Regression: rmse, mae (in the target's unit), mape (a share; absent when a true value is 0), r2, mse_scaled (in
        units of the training deviation). Classification: accuracy, f1 (macro), roc_auc (one against the rest, macro;
        absent when the rows lack a class), log_loss (nats), brier (mean over rows of the squared distance to the true
        class; for two classes, of the second's probability, after Brier, 1950).
    """
    predicted = np.asarray(outputs[target.prediction])[:, 0]
    if target.classes is None:
        return _regression(truth, predicted.astype(np.float64), target.deviation)
    classes = np.array(target.classes, truth.dtype)
    codes = np.searchsorted(classes, truth)
    return _classification(codes, np.asarray(outputs[target.probabilities], np.float64))


def losses(target: Target, truth: np.ndarray, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """What each row adds to the main metric, float64 `[N]`: its squared error, or -log of its class's probability."""
    if target.classes is None:
        error = np.asarray(outputs[target.prediction], np.float64)[:, 0] - truth
        squared: np.ndarray = error**2
        return squared
    codes = np.searchsorted(np.array(target.classes, truth.dtype), truth)
    probabilities = np.asarray(outputs[target.probabilities], np.float64)
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    least = np.finfo(np.float64).eps  # as in scikit-learn's log_loss: no row counts as infinitely wrong
    nats: np.ndarray = -np.log(np.clip(probabilities[np.arange(len(codes)), codes], least, 1 - least))
    return nats


def main_metric(target: Target, of_rows: np.ndarray) -> float:
    """Rmse or log_loss of rows with these losses, as `evaluate` has it."""
    mean = float(of_rows.mean())
    return mean**0.5 if target.classes is None else mean


def skill(target: Target, truth: np.ndarray, outputs: Mapping[str, np.ndarray]) -> float:
    """The share of a constant prediction's error that the model removes; 1 is perfect, 0 is no better than a constant.

    Regression: R². Classification: McFadden's R², 1 - log loss / log loss of the class shares among these rows
    (McFadden, "Conditional logit analysis of qualitative choice behavior", 1974). 0 where there is nothing to explain.
    """
    found = evaluate(target, truth, outputs)
    if target.classes is None:
        return found.get("r2", 0.0)
    _, counts = np.unique(truth, return_counts=True)
    shares = counts / counts.sum()
    constant = float(-(shares * np.log(shares)).sum())
    return 1 - found["log_loss"] / constant if constant else 0.0


def _regression(truth: np.ndarray, predicted: np.ndarray, deviation: float) -> dict[str, float]:
    error = metrics.mean_squared_error(truth, predicted)
    values = {
        "rmse": float(np.sqrt(error)),
        "mae": float(metrics.mean_absolute_error(truth, predicted)),
        "mse_scaled": float(error / deviation**2),
    }
    if (truth != 0).all():
        values["mape"] = float(metrics.mean_absolute_percentage_error(truth, predicted))
    return values | ({"r2": float(metrics.r2_score(truth, predicted))} if len(truth) > 1 else {})


def _classification(codes: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    labels = list(range(probabilities.shape[1]))
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    predicted = probabilities.argmax(axis=1)
    hot = np.eye(len(labels))[codes]
    squares = ((probabilities - hot) ** 2).sum(axis=1)
    values = {
        "accuracy": float(metrics.accuracy_score(codes, predicted)),
        "f1": float(metrics.f1_score(codes, predicted, labels=labels, average="macro", zero_division=0)),
        "log_loss": float(metrics.log_loss(codes, probabilities, labels=labels)),
        "brier": float(squares.mean() / (2 if len(labels) == 2 else 1)),
    }
    if len(np.unique(codes)) == len(labels):
        score = probabilities[:, 1] if len(labels) == 2 else probabilities
        values["roc_auc"] = float(metrics.roc_auc_score(codes, score, multi_class="ovr", labels=labels))
    return values
