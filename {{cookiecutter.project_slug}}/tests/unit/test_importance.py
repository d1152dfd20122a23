"""Permutation importance, and the rules that decide by it, on cases worked out by hand."""

import numpy as np
import pytest

from {{ cookiecutter.project_slug }}.evaluation import importance
from {{ cookiecutter.project_slug }}.evaluation.comparison import on_par
from {{ cookiecutter.project_slug }}.schemas.contract import Target

TARGET = Target(name="y", kind="regression", deviation=1.0)


def test_importance_of_a_sum_by_hand():
    """Of y = a + 2 b, a shuffle of b moves predictions by 2 (b' - b); the draws are repeated here in their order."""
    columns = {name: np.array([[0.0], [1.0], [5.0]]) for name in ("a", "b", "idle")}
    truth = columns["a"][:, 0] + 2 * columns["b"][:, 0]
    draw = np.random.default_rng(7)
    expected = {}
    for name, weight in (("a", 1.0), ("b", 2.0), ("idle", 0.0)):
        orders = [draw.permutation(3) for _ in range(4)]
        moved = [weight * (columns[name][order, 0] - columns[name][:, 0]) for order in orders]
        expected[name] = np.mean([np.sqrt(np.mean(shift**2)) for shift in moved])

    found = importance.permutation_importance(
        lambda given: {"y_prediction": given["a"] + 2 * given["b"]}, columns, truth, TARGET, repeats=4, seed=7
    )
    assert list(found) == ["b", "a", "idle"]
    assert found == pytest.approx(expected)
    assert found["idle"] == 0.0


def test_the_rise_is_above_the_error_without_a_shuffle():
    """Two rows whose values are swapped or not; the model is off by 1 in both before."""
    columns = {"a": np.array([[0.0], [2.0]])}
    draw = np.random.default_rng(0)
    swapped = np.mean([draw.permutation(2)[0] == 1 for _ in range(10)])
    found = importance.permutation_importance(
        lambda given: {"y_prediction": given["a"] + 1}, columns, np.array([0.0, 2.0]), TARGET, repeats=10, seed=0
    )
    after = np.sqrt((3**2 + (-1) ** 2) / 2)  # predictions 3 and 1 for 0 and 2
    assert found["a"] == pytest.approx(swapped * (after - 1))


@pytest.mark.parametrize(("errors", "kept"), [(2.0, ["sure"]), (1.0, ["sure", "weak"]), (0.0, ["sure", "weak"])])
def test_worth_keeping_by_hand(errors, kept):
    """Means 3, 1, 0 and -1; standard errors 1 / √3 = 0.577 for the first two, and 0."""
    folds = [
        {"noise": 0.0, "weak": 0.0, "sure": 2.0, "harmful": -1.0},
        {"noise": 0.0, "weak": 1.0, "sure": 3.0, "harmful": -1.0},
        {"noise": 0.0, "weak": 2.0, "sure": 4.0, "harmful": -1.0},
    ]
    assert importance.worth_keeping(folds, errors) == kept


def test_worth_keeping_puts_the_most_important_first():
    assert importance.worth_keeping([{"a": 1.0, "b": 3.0, "c": 2.0}] * 2) == ["b", "c", "a"]


@pytest.mark.parametrize(("errors", "good"), [(2.0, ["best", "near"]), (1.0, ["best"])])
def test_on_par_by_hand(errors, good):
    """Above the best by 0, 2 and 1 in the folds: 1 ± 0.577. By 3 in each: 3 ± 0, though the folds differ by 20."""
    scores = {
        "far": [13.0, 23.0, 33.0],
        "near": [10.0, 22.0, 31.0],
        "best": [10.0, 20.0, 30.0],
    }
    assert on_par(scores, errors) == good


def test_equals_are_on_par():
    assert on_par({"a": [1.0, 2.0], "b": [1.0, 2.0]}) == ["a", "b"]
