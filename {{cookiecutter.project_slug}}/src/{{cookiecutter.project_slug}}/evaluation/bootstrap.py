"""How sure a difference between two models is: a paired bootstrap over rows."""

import numpy as np

CELLS = 5_000_000
"""Losses that are drawn at once: 80 MB."""


def paired_interval(
    candidate: np.ndarray, incumbent: np.ndarray, *, root: bool, resamples: int, confidence: float, seed: int
) -> tuple[float, float]:
    """Percentile interval of the difference between two models' main metrics, candidate minus incumbent.

    Rows are drawn with replacement, each with the losses of both models: what makes a row hard for both cancels (Efron
    and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 8 and 13).

    Args:
        candidate: the candidate's loss on each row, `[N]`.
        incumbent: the incumbent's losses on the same rows, `[N]`.
        root: whether the metric is the root of the mean loss.
        resamples: how many times the rows are drawn.
        confidence: share of the resampled differences that lie within the interval.
        seed: of the draws, so that the same rows give the same interval.
    """
    draw, count = np.random.default_rng(seed), len(candidate)
    differences: list[np.ndarray] = []
    step = max(1, CELLS // count)
    for start in range(0, resamples, step):
        rows = draw.integers(count, size=(min(step, resamples - start), count))
        ours, theirs = candidate[rows].mean(axis=1), incumbent[rows].mean(axis=1)
        differences.append(np.sqrt(ours) - np.sqrt(theirs) if root else ours - theirs)
    outside = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(differences), [outside, 1 - outside])
    return float(low), float(high)
