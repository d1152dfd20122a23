"""Selecting features: any selector of scikit-learn, fitted on the training matrix; it becomes a Gather in the graph."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from hydra.utils import get_method

from ..ports import Matrix, UserError
from ..utils.instantiate import build
from .frontend import FrontEnd


def select(front_end: FrontEnd, config: Mapping[str, Any], train: Matrix) -> FrontEnd:
    """The front-end with only the features that the selector keeps.

    Args:
        front_end: without a selection.
        config: `_target_` of a scikit-learn selector and its arguments; an estimator among them has a `_target_`
            of its own, and a function is given by its name (`sklearn.feature_selection.f_regression`).
        train: what the front-end returned for the training rows.

    Raises:
        UserError: the selector cannot be built or fitted, or keeps nothing.
    """
    selector = _built(config)
    try:
        kept = selector.fit(train.features, train.target).get_support(indices=True)
    except (AttributeError, ValueError) as error:
        raise UserError(f"features.selector: {str(error).splitlines()[0]}") from None
    if not len(kept):
        raise UserError("features.selector keeps no feature")
    return front_end.model_copy(update={"selected": tuple(np.asarray(kept).tolist())})


def _built(node: Mapping[str, Any]) -> Any:
    return build({key: value if key == "_target_" else _argument(value) for key, value in node.items()})


def _argument(value: Any) -> Any:
    if isinstance(value, Mapping) and "_target_" in value:
        return _built(value)
    if isinstance(value, str) and value.startswith("sklearn."):
        try:
            return get_method(value)
        except Exception as error:  # hydra's errors have no common base
            raise UserError(f"features.selector: cannot import {value}: {str(error).splitlines()[0]}") from None
    return value
