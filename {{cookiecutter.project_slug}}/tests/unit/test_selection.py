"""Selectors of scikit-learn become a Gather in the graph."""

from typing import Any

import numpy as np
import pytest

from {{ cookiecutter.project_slug }}.features.selection import select
from {{ cookiecutter.project_slug }}.ports import Matrix, UserError

from .fronts import features, feeds, fitted, run

ROWS = 300
DRAW = np.random.default_rng(8)
KINDS = {"noise": "number", "strong": "number", "still": "number", "weak": "number", "c": "category"}
TRAIN = {
    "noise": DRAW.normal(size=ROWS),
    "strong": DRAW.normal(size=ROWS),
    "still": np.zeros(ROWS),
    "weak": DRAW.normal(size=ROWS),
    "c": DRAW.choice(["a", "b"], ROWS),
}
TARGET = 5 * TRAIN["strong"] + TRAIN["weak"] + 3 * (TRAIN["c"] == "a")
KBEST = {"_target_": "sklearn.feature_selection.SelectKBest", "score_func": "sklearn.feature_selection.f_regression"}
RIDGE = {"_target_": "sklearn.linear_model.Ridge"}
TREE = {"_target_": "sklearn.tree.DecisionTreeRegressor", "max_depth": 4, "random_state": 0}


def selected(config: dict[str, Any]) -> dict[str, np.ndarray]:
    """The features of three rows that a selector keeps."""
    front_end = fitted(TRAIN, KINDS, features(scale="none"))
    tensors = feeds(TRAIN, KINDS)
    matrix = np.stack(list(run(front_end, tensors).values()), axis=1)
    train = Matrix(matrix, TARGET, tuple(front_end.names), front_end.code_levels, 0)
    chosen = select(front_end, config, train)
    assert [front_end.names[position] for position in chosen.selected or ()] == chosen.names
    whole, part = run(front_end, tensors), run(chosen, tensors)
    for name in part:
        np.testing.assert_array_equal(part[name], whole[name])
    return part


@pytest.mark.parametrize(
    ("config", "want"),
    [
        ({**KBEST, "k": 3}, ["strong", "weak", "c"]),
        ({**KBEST, "k": 1}, ["strong"]),
        ({"_target_": "sklearn.feature_selection.VarianceThreshold"}, ["noise", "strong", "weak", "c"]),
        ({"_target_": "sklearn.feature_selection.RFECV", "estimator": RIDGE, "cv": 3}, ["strong", "weak", "c"]),
        ({"_target_": "sklearn.feature_selection.SelectFromModel", "estimator": TREE, "max_features": 1}, ["strong"]),
    ],
)
def test_a_selector(config: dict[str, Any], want: list[str]) -> None:
    assert list(selected(config)) == want


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"_target_": "sklearn.feature_selection.VarianceThreshold", "threshold": 1e9},
            r"^features\.selector: No feature in X meets the variance threshold",
        ),
        ({"_target_": "sklearn.linear_model.Ridge"}, r"^features\.selector: 'Ridge' object has no attribute 'get_s"),
        ({"_target_": "os.system"}, r"^os\.system is not of "),
        ({**KBEST, "kk": 3}, r"unexpected keyword argument 'kk'$"),
        ({**KBEST, "k": 0}, r"^features\.selector keeps no feature$"),
    ],
)
def test_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        selected(config)
    assert "\n" not in str(error.value)
