"""Cross-validation: everything, the front-end too, is fitted anew inside each fold."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

import numpy as np

from ..data.splits import HELDOUT, assign, folds, inner_validation
from ..data.table import Table
from ..evaluation.metrics import evaluate
from ..ports import OnEpoch, UserError
from ..schemas.config import CrossValidationConfig
from ..schemas.data import TimeSplit
from .fit import Fitted, fit

Watch = Callable[[], AbstractContextManager[OnEpoch]]
"""Makes the callback of one fit."""


def cross_validate(config: CrossValidationConfig, table: Table, progress: Watch) -> Iterator[dict[str, float]]:
    """Metrics of one fold after the other; see `fit_folds`."""
    for fitted, tested in fit_folds(config, table, progress):
        yield evaluate(fitted.target, tested.columns[fitted.target.name][:, 0], fitted.predict(tested))


def fit_folds(config: CrossValidationConfig, table: Table, progress: Watch) -> Iterator[tuple[Fitted, Table]]:
    """What was fitted without a fold, and the rows of that fold, one fold after the other.

    Folds are by the same hash as the split. Under a split by time they are consecutive, and each is predicted from
    those before it; the first is only trained on.

    Args:
        config: model, features and data; `heldout` says whether the held-out rows take part.
        table: all rows.
        progress: makes the callback of one fit.

    Raises:
        UserError: a fold has no rows.
    """
    if not config.heldout:
        table = table.take(assign(table, config.data) != HELDOUT)
    fold = folds(table, config.data, config.evaluation.folds, heldout=config.heldout)
    stop_early = inner_validation(table, config.data)
    forward = isinstance(config.data.split, TimeSplit)
    for number in range(1 if forward else 0, config.evaluation.folds):
        test = fold == number
        rest = fold < number if forward else ~test
        if not test.any() or not (rest & ~stop_early).any() or not (rest & stop_early).any():
            raise UserError(f"evaluation.folds: {len(table)} rows are too few for {config.evaluation.folds} folds")
        with progress() as on_epoch:
            fitted = fit(config, table, rest & ~stop_early, rest & stop_early, on_epoch)
        yield fitted, table.take(test)


def summary(folds_: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """`cv/<metric>_mean` and `cv/<metric>_std` (over folds, with n - 1)."""
    values = {}
    for name in folds_[0]:
        scores = [fold[name] for fold in folds_ if name in fold]
        values[f"cv/{name}_mean"] = float(np.mean(scores))
        values[f"cv/{name}_std"] = float(np.std(scores, ddof=1)) if len(scores) > 1 else 0.0
    return values
