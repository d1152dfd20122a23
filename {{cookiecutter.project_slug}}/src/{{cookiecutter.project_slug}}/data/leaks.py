"""Columns that know the target: equal to it, ordered as it is, or enough alone to predict it."""

import numpy as np

from ..inference.wire import encode_column

SMALL_TABLE = 50
"""Different values up to which a column's rows are dealt into folds one by one."""
MONOTONE = 0.99999
"""Rank correlation from which on one column is called a monotone function of another."""


def leak(values: np.ndarray, target: np.ndarray, least: float, *, classes: bool, levels: bool) -> str | None:
    """Why a column gives the target away, with the figure; None where it does not.

    Args:
        values: the column, float64 with NaN for a gap `[N]`.
        target: numbers, or the numbers of the classes, float64 `[N]`, without gaps.
        least: share of the target that a column must explain to be called a leak.
        classes: whether the target is a class.
        levels: whether the values are numbers of levels, that mean nothing as numbers.
    """
    seen = ~np.isnan(values)
    if np.ptp(target) == 0:  # the sample holds one class of several
        return None
    if not classes and not levels and seen.sum() >= SMALL_TABLE:
        if np.array_equal(values[seen], target[seen]):
            return "equal to the target"
        found = abs(_rank_correlation(values[seen], target[seen]))
        if found >= MONOTONE:
            return f"a monotone function of the target (rank correlation {found:.5f})"
    explained, right = _alone(values, target, classes=classes, levels=levels)
    if not explained >= least:  # of numbers beyond 1e150 there is no variance
        return None
    if classes:
        return f"alone predicts {right:.2%} of the classes"
    return f"alone explains {explained:.2%} of the target's variance"


def _rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    import pandas as pd

    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(pd.Series(one).corr(pd.Series(other), method="spearman"))


def _alone(values: np.ndarray, target: np.ndarray, *, classes: bool, levels: bool) -> tuple[float, float]:
    """The share of a constant's error that a tree of this column alone takes away, and the share of rows it has right.

    Three folds. Of numbers that are many each stays in one fold, or a tree would remember the rows that share it. A gap
    is a value like others, and may be what gives the target away.
    """
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    gaps = np.isnan(values)
    different, codes = np.unique(np.where(gaps, -np.inf, values), return_inverse=True)
    draw = np.random.default_rng(0)
    dealt = draw.permutation(len(values))
    if not levels and len(different) > SMALL_TABLE:
        dealt = np.where(gaps, dealt, draw.permutation(len(different))[codes])
    predicted = np.empty(len(target))
    for fold in range(3):
        train, test = dealt % 3 != fold, dealt % 3 == fold
        tree = (DecisionTreeClassifier if classes else DecisionTreeRegressor)(min_samples_leaf=2, random_state=0)
        tree.fit(codes[train, None], target[train])  # ranks: a tree looks at the order alone, in float32
        predicted[test] = tree.predict(codes[test, None])
    if classes:
        _, counts = np.unique(target, return_counts=True)
        wrong, by_constant = float((predicted != target).mean()), 1.0 - counts.max() / len(target)
        return 1.0 - wrong / by_constant, 1.0 - wrong
    with np.errstate(over="ignore", invalid="ignore"):
        unexplained = ((predicted - target) ** 2).mean() / target.var()
    return 1.0 - float(unexplained), float((predicted == target).mean())


def as_numbers(values: object, name: str, kind: str, tokens: set[str]) -> np.ndarray:
    """A column as float64 `[N]`: encoded, and texts by the number of their level; a gap in them is a level too."""
    encoded = encode_column(values, {"name": name, "kind": kind}, tokens)[:, 0]
    if encoded.dtype != object:
        return encoded
    return np.unique(encoded.astype(str), return_inverse=True)[1].astype(np.float64)


def known_with_the_target(filled: np.ndarray, target: np.ndarray) -> str | None:
    """Why a column's gaps give it away, from masks `[N]` of the rows with a value; None where they do not."""
    if target.all() or filled.all() or not filled.any():
        return None
    if not (filled & target).any():
        return (
            "missing exactly when the target has a value"
            if (filled | target).all()
            else "missing wherever the target has a value"
        )
    if np.array_equal(filled, target):
        return "missing exactly when the target is"
    return None
