"""Permutation importance: how much worse a model becomes when one column is shuffled.

Breiman, "Random Forests" (2001), section 10; over raw columns, as Fisher, Rudin and Dominici (2019) do.
"""

from collections.abc import Callable, Mapping

import numpy as np

from ..schemas.contract import Target
from .metrics import MAIN, evaluate

Predict = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]


def permutation_importance(
    predict: Predict, columns: Mapping[str, np.ndarray], truth: np.ndarray, target: Target, repeats: int, seed: int
) -> dict[str, float]:
    """Increase of the main metric (rmse or log loss) by column, the most important first.

    Args:
        predict: from encoded columns to outputs.
        columns: encoded inputs `[N, 1]` by name.
        truth: the target `[N]`.
        target: what is predicted.
        repeats: shuffles of each column; their mean is returned.
        seed: of the shuffles.
    """
    metric = MAIN[target.kind]
    base = evaluate(target, truth, predict(columns))[metric]
    draw = np.random.default_rng(seed)
    found = {}
    for name, values in columns.items():
        scores = []
        for _ in range(repeats):
            shuffled = {**columns, name: values[draw.permutation(len(values))]}
            scores.append(evaluate(target, truth, predict(shuffled))[metric])
        found[name] = float(np.mean(scores)) - base
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def worth_keeping(importance: Mapping[str, float], metric: float, share: float = 0.002) -> list[str]:
    """Columns whose shuffling makes the metric worse by more than a share of it, the most important first."""
    return [name for name, rise in importance.items() if rise > share * metric]
