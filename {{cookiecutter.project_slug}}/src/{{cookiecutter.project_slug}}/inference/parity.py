"""When two sets of predictions are the same."""

from collections.abc import Mapping

import numpy as np

from ..schemas.contract import Target


def disagreement(got: Mapping[str, np.ndarray], want: Mapping[str, np.ndarray], target: Target) -> np.ndarray:
    """How far each row is off, as a multiple of the tolerance, float64 `[N]`; above 1 is a disagreement.

    The tolerance is target.tolerance × (target.deviation + |y|). Labels may differ only where the two most probable
    classes are within it.
    """
    name = target.prediction if target.kind == "regression" else target.probabilities
    expected = np.asarray(want[name], np.float64)
    allowed = target.tolerance * (target.deviation + np.abs(expected))
    error = np.abs(np.asarray(got[name], np.float64) - expected) / allowed
    worst: np.ndarray = np.where(np.isnan(error), np.inf, error).max(axis=1, initial=0.0)
    if target.kind == "classification" and len(expected):
        other = np.asarray(got[target.prediction])[:, 0] != np.asarray(want[target.prediction])[:, 0]
        top = np.sort(expected, axis=1)
        tied = top[:, -1] - top[:, -2] <= allowed.max(axis=1)
        worst = np.where(other & ~tied, np.inf, worst)
    return worst


def labels(probabilities: np.ndarray, classes: tuple[str, ...] | tuple[int, ...]) -> np.ndarray:
    """The most probable class of each row, `[N, 1]`: text as objects, or int64."""
    names = np.array(classes, object if isinstance(classes[0], str) else np.int64)
    chosen: np.ndarray = names[probabilities.argmax(axis=1)][:, None]
    return chosen
