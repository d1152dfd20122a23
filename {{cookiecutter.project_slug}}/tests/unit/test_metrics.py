"""Metrics against figures from scikit-learn's documentation and others that are worked out by hand."""

import numpy as np
import pytest

from {{ cookiecutter.project_slug }}.evaluation import bootstrap
from {{ cookiecutter.project_slug }}.evaluation.bootstrap import paired_interval
from {{ cookiecutter.project_slug }}.evaluation.metrics import MAIN, evaluate, losses, main_metric
from {{ cookiecutter.project_slug }}.schemas.contract import Target

REGRESSION = Target(name="y", kind="regression", deviation=2.0)


def classification(
    truth: list[object], probabilities: list[list[float]], classes: tuple[object, ...]
) -> dict[str, float]:
    target = Target(name="c", kind="classification", classes=classes, deviation=0.5)
    array = np.array(probabilities)
    labels = np.array(classes, object)[array.argmax(axis=1)][:, None]
    values = np.array(truth, object if isinstance(classes[0], str) else np.float64)
    return evaluate(target, values, {"c_prediction": labels, "c_probabilities": array})


def test_regression() -> None:
    outputs = {"y_prediction": np.array([[2.5], [0.0], [2.0], [8.0]])}
    got = evaluate(REGRESSION, np.array([3.0, -0.5, 2.0, 7.0]), outputs)
    assert got == pytest.approx(
        {
            "rmse": 0.375**0.5,
            "mae": 0.5,
            "mape": (0.5 / 3 + 0.5 / 0.5 + 0 + 1 / 7) / 4,
            "r2": 0.9486081370449679,
            "mse_scaled": 0.375 / 4,
        }
    )


def test_one_row_has_no_r2() -> None:
    assert "r2" not in evaluate(REGRESSION, np.array([1.0]), {"y_prediction": np.array([[2.0]])})


def test_log_loss_of_the_documentation() -> None:
    got = classification(
        ["spam", "ham", "ham", "spam"], [[0.1, 0.9], [0.9, 0.1], [0.8, 0.2], [0.35, 0.65]], ("ham", "spam")
    )
    assert got["log_loss"] == pytest.approx(0.21616, abs=5e-6)
    assert got["accuracy"] == got["f1"] == got["roc_auc"] == 1.0


def test_brier_and_roc_auc_of_the_documentation() -> None:
    got = classification([0, 1, 1, 0], [[0.9, 0.1], [0.1, 0.9], [0.2, 0.8], [0.7, 0.3]], (0, 1))
    assert got["brier"] == pytest.approx(0.0375)
    got = classification([0, 0, 1, 1], [[0.9, 0.1], [0.6, 0.4], [0.65, 0.35], [0.2, 0.8]], (0, 1))
    assert got["roc_auc"] == pytest.approx(0.75)


def test_f1_and_accuracy_of_the_documentation() -> None:
    predicted = [0, 2, 1, 0, 0, 1]
    got = classification([0, 1, 2, 0, 1, 2], (np.eye(3)[predicted] * 0.7 + 0.1).tolist(), (0, 1, 2))
    assert got["accuracy"] == pytest.approx(2 / 6)
    assert got["f1"] == pytest.approx((0.8 + 0 + 0) / 3)


def test_three_classes_by_hand() -> None:
    got = classification(["b", "a", "c"], [[0.2, 0.5, 0.3], [0.6, 0.3, 0.1], [0.5, 0.25, 0.25]], ("a", "b", "c"))
    squares = [0.04 + 0.25 + 0.09, 0.16 + 0.09 + 0.01, 0.25 + 0.0625 + 0.5625]
    assert got["brier"] == pytest.approx(sum(squares) / 3)
    assert got["log_loss"] == pytest.approx(-(np.log(0.5) + np.log(0.6) + np.log(0.25)) / 3)
    assert got["accuracy"] == pytest.approx(2 / 3)
    assert got["f1"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert got["roc_auc"] == pytest.approx((1 + 1 + 1 / 2) / 3)  # c's 0.25 is above 0.1 and below 0.3


def test_rows_of_one_class_have_no_roc_auc() -> None:
    got = classification(["a", "a"], [[0.9, 0.1], [0.4, 0.6]], ("a", "b"))
    assert "roc_auc" not in got
    assert got["accuracy"] == 0.5


@pytest.mark.parametrize("kind", ["regression", "classification", "numbers"])
def test_losses_of_rows_make_the_main_metric(kind: str) -> None:
    draw = np.random.default_rng(0)
    if kind == "regression":
        target, truth = REGRESSION, draw.normal(size=40)
        outputs = {"y_prediction": draw.normal(size=(40, 1)).astype(np.float32)}
    else:
        classes: tuple[object, ...] = ("a", "b", "c") if kind == "classification" else (0, 1, 7)
        target = Target(name="y", kind="classification", classes=classes, deviation=0.5)
        truth = draw.choice(np.array(classes, object if kind == "classification" else np.float64), 40)
        shares = draw.dirichlet([0.1, 0.1, 0.1], 40).astype(np.float32)  # some of them are 0
        labels = np.array(classes, object)[shares.argmax(axis=1)][:, None]
        outputs = {"y_prediction": labels, "y_probabilities": shares}
    got = losses(target, truth, outputs)
    assert got.shape == (40,)
    assert main_metric(target, got) == pytest.approx(evaluate(target, truth, outputs)[MAIN[target.kind]], rel=1e-12)


def test_the_paired_interval_covers_as_often_as_it_says() -> None:
    draw, within = np.random.default_rng(0), 0
    for seed in range(200):
        hard = draw.exponential(1, 300)  # what both models find hard cancels
        ours, theirs = hard + draw.normal(0.1, 0.2, 300), hard + draw.normal(0, 0.2, 300)
        low, high = paired_interval(ours, theirs, root=False, resamples=300, confidence=0.9, seed=seed)
        assert high - low < 0.1  # unpaired it would be 0.27
        within += low <= 0.1 <= high
    assert 170 <= within <= 190


def test_the_paired_interval_is_of_the_roots_and_repeatable(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(1)
    theirs = draw.normal(size=5_000) ** 2
    said = {"resamples": 1_000, "confidence": 0.95, "seed": 0}
    low, high = paired_interval(4 * theirs, theirs, root=True, **said)  # twice the rmse, whatever rows are drawn
    assert low < 1 < high < low + 0.05
    assert (low, high) == paired_interval(4 * theirs, theirs, root=True, **said)
    monkeypatch.setattr(bootstrap, "CELLS", 5_000 * 300)  # not all at once
    assert paired_interval(4 * theirs, theirs, root=True, **said) == (low, high)
