"""Permutation importance: how much worse a model becomes when one column is shuffled.

Breiman, "Random Forests" (2001), section 10; over raw columns, as Fisher, Rudin and Dominici (2019) do.
"""

from collections.abc import Callable, Mapping, Sequence

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


def worth_keeping(folds: Sequence[Mapping[str, float]], errors: float = 2.0) -> list[str]:
    """Columns whose mean importance over folds is more than some standard errors above zero, the highest mean first.

    A column that others can stand in for has little importance of its own: leave out those that are computed from
    others before the importance is taken.

    Args:
        folds: importance by column, one mapping per fold, all of the same columns.
        errors: how many standard errors of the mean; 0 keeps every column with a positive mean.
    """
    means, needed = {}, {}
    for name in folds[0]:
        rises = [fold[name] for fold in folds]
        means[name] = float(np.mean(rises))
        needed[name] = errors * float(np.std(rises, ddof=1)) / np.sqrt(len(rises))
    return sorted((name for name, mean in means.items() if mean > needed[name]), key=lambda name: -means[name])
