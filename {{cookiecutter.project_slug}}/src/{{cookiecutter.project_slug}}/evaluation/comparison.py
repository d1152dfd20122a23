"""Which of several models, or sets of features, are as good as the best."""

from collections.abc import Mapping, Sequence

import numpy as np


def on_par(scores: Mapping[str, Sequence[float]], errors: float = 2.0) -> list[str]:
    """Names whose mean score is at most some standard errors above the lowest mean, the lowest first.

    Differences are taken fold by fold, so that what makes a fold hard for all does not count. Folds share training
    rows, so the standard error is somewhat too small (Bengio and Grandvalet, JMLR 2004).

    Args:
        scores: the main metric of each fold by name, lower is better; the same folds under every name.
        errors: how many standard errors of the mean difference.
    """
    means = {name: float(np.mean(values)) for name, values in scores.items()}
    names = sorted(means, key=lambda name: means[name])
    best = np.asarray(scores[names[0]])
    kept = []
    for name in names:
        worse = np.asarray(scores[name]) - best
        if worse.mean() <= errors * worse.std(ddof=1) / np.sqrt(len(worse)):
            kept.append(name)
    return kept
