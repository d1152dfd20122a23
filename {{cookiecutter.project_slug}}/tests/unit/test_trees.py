"""Tree ensembles become graphs that answer every row as the library does, and what cannot is refused by name."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
from hydra.utils import get_class

from {{ cookiecutter.project_slug }}.models.converters import convert
from {{ cookiecutter.project_slug }}.models.scikit_learn import ScikitLearnEstimator
from {{ cookiecutter.project_slug }}.models.trees import floor_float32
from {{ cookiecutter.project_slug }}.ports import Matrix, UnsupportedModelError

from ..matrices import CASES, CLASSES, WIDTH, rows_off

pytestmark = pytest.mark.slow
LIGHTGBM, XGBOOST, FOREST = "lightgbm.LGBM", "xgboost.XGB", "sklearn.ensemble.RandomForest"
HISTOGRAM, EXTRA, TREE = (
    "sklearn.ensemble.HistGradientBoosting",
    "sklearn.ensemble.ExtraTrees",
    "sklearn.tree.DecisionTree",
)
SMALL: dict[str, dict[str, Any]] = {
    LIGHTGBM: {"n_estimators": 20, "min_child_samples": 5, "min_data_in_bin": 1, "n_jobs": 1, "verbose": -1},
    XGBOOST: {"n_estimators": 20, "max_depth": 5, "n_jobs": 1},
    FOREST: {"n_estimators": 10, "min_samples_leaf": 2, "random_state": 0},
    EXTRA: {"n_estimators": 10, "min_samples_leaf": 2, "random_state": 0},
    TREE: {"max_depth": 8, "random_state": 0},
    HISTOGRAM: {"max_iter": 10, "min_samples_leaf": 5},
}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "LightGBM": (LIGHTGBM, {}),
    "LightGBM dart": (LIGHTGBM, {"boosting": "dart"}),
    "XGBoost": (XGBOOST, {}),
    "XGBoost forest": (XGBOOST, {"num_parallel_tree": 3}),
    "random forest": (FOREST, {}),
    "extra trees": (EXTRA, {}),
    "one tree": (TREE, {}),
    "histogram boosting": (HISTOGRAM, {}),
}


def make(library: str, classes: int, **options: Any) -> Any:
    """A small estimator; they are imported when a test runs, since collecting would take seconds otherwise."""
    return get_class(library + ("Classifier" if classes else "Regressor"))(**SMALL[library] | options)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("task", CLASSES)
@pytest.mark.parametrize("family", FAMILIES)
def test_no_row_is_off(family: str, task: str, case: str) -> None:
    library, options = FAMILIES[family]
    assert rows_off(make(library, CLASSES[task], **options), CASES[case], CLASSES[task]) == 0


@pytest.mark.parametrize(
    ("library", "classes", "options"),
    [
        (LIGHTGBM, 0, {"extra_trees": True, "path_smooth": 5.0, "use_missing": False}),
        (LIGHTGBM, 3, {"class_weight": "balanced", "subsample": 0.5, "subsample_freq": 1}),
        (XGBOOST, 0, {"grow_policy": "lossguide", "tree_method": "approx"}),
        (XGBOOST, 2, {"scale_pos_weight": 3.0, "tree_method": "exact"}),
        (FOREST, 3, {"class_weight": "balanced", "ccp_alpha": 0.001}),
        (HISTOGRAM, 3, {"early_stopping": True, "class_weight": "balanced"}),
    ],
)
def test_other_options(library: str, classes: int, options: dict[str, Any]) -> None:
    for case in ("ordinary", "missing at test", "missing in training"):
        assert rows_off(make(library, classes, **options), CASES[case], classes) == 0


@pytest.mark.parametrize(
    ("library", "options"),
    [
        (LIGHTGBM, {"objective": "regression_l1"}),
        (LIGHTGBM, {"objective": "huber"}),
        (LIGHTGBM, {"objective": "mape"}),
        (LIGHTGBM, {"objective": "quantile", "alpha": 0.8}),
        (XGBOOST, {"objective": "reg:absoluteerror"}),
        (XGBOOST, {"objective": "reg:pseudohubererror"}),
        (XGBOOST, {"objective": "reg:quantileerror", "quantile_alpha": 0.8}),
        (XGBOOST, {"base_score": 100.0}),
        (HISTOGRAM, {"loss": "absolute_error"}),
        (HISTOGRAM, {"loss": "quantile", "quantile": 0.8}),
        (FOREST, {"criterion": "absolute_error", "max_samples": 300}),
    ],
)
def test_other_losses(library: str, options: dict[str, Any]) -> None:
    assert rows_off(make(library, 0, **options), CASES["ordinary"], 0) == 0


REFUSED: list[tuple[str, int, dict[str, Any], dict[str, Any], str]] = [
    (LIGHTGBM, 0, {"zero_as_missing": True}, {}, "LightGBM with zero_as_missing=true cannot be registered"),
    (LIGHTGBM, 0, {"boosting": "rf", "subsample": 0.7, "subsample_freq": 1}, {},
     "LightGBM with boosting=rf cannot be registered: use a random forest or gbdt"),
    (LIGHTGBM, 0, {"linear_tree": True}, {}, "LightGBM with linear_tree=true cannot be registered"),
    (LIGHTGBM, 0, {}, {"categorical_feature": [3]},
     "LightGBM's categorical splits cannot be registered: leave categorical_feature out"),
    (LIGHTGBM, 0, {"objective": "poisson"}, {},
     "LightGBM's objective poisson cannot be registered: use regression, "),
    (LIGHTGBM, 0, {"reg_sqrt": True}, {},
     "LightGBM's objective regression sqrt cannot be registered: use regression, "),
    (LIGHTGBM, 3, {"objective": "multiclassova"}, {},
     "LightGBM's objective multiclassova num_class:3 sigmoid:1 cannot be registered: use "),
    (LIGHTGBM, 2, {"sigmoid": 2.0}, {}, "LightGBM's objective binary sigmoid:2 cannot be registered: use "),
    (XGBOOST, 0, {"booster": "dart", "rate_drop": 0.5}, {}, "XGBoost with booster=dart cannot be registered"),
    (XGBOOST, 0, {"booster": "gblinear", "max_depth": None}, {}, "XGBoost with booster=gblinear cannot be registered"),
    (XGBOOST, 0, {"objective": "count:poisson"}, {},
     "XGBoost's objective count:poisson cannot be registered: use reg:squarederror, "),
    (XGBOOST, 0, {"enable_categorical": True, "feature_types": ["q", "q", "q", "c"]}, {},
     "XGBoost's categorical splits cannot be registered: leave enable_categorical out"),
    (XGBOOST, 3, {"multi_strategy": "multi_output_tree"}, {},
     "XGBoost with multi_strategy=multi_output_tree cannot be registered"),
    (HISTOGRAM, 0, {"loss": "poisson"}, {}, "HistGradientBoosting with loss=poisson cannot be registered"),
    (HISTOGRAM, 0, {"categorical_features": [3]}, {}, "HistGradientBoosting's categorical splits cannot be registered"),
]  # fmt: skip


@pytest.mark.parametrize(("library", "classes", "options", "arguments", "message"), REFUSED)
def test_refused(library: str, classes: int, options: dict[str, Any], arguments: dict[str, Any], message: str) -> None:
    train = np.abs(CASES["ordinary"].train)
    train[:, 3] = np.random.default_rng(0).integers(0, 6, len(train))  # codes, for those that split by category
    signal = np.array([3.0, 1.0, 4.0, 1.5, 9.0, 2.6])[train[:, 3].astype(int)] + train[:, 0]
    target = signal if not classes else np.digitize(signal, np.quantile(signal, np.arange(1, classes) / classes))
    estimator = make(library, classes, **options).fit(train, target, **arguments)
    with pytest.raises(UnsupportedModelError) as error:
        convert(estimator, WIDTH, classes)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("library", [LIGHTGBM, XGBOOST])
def test_early_stopping_keeps_the_best_rounds(library: str) -> None:
    case, rounds = CASES["ordinary"], []
    noisy = case.signal + np.random.default_rng(0).normal(0, 2, len(case.signal))
    names = ("a", "b", "c", "d")
    train, val = (Matrix(case.train[r], noisy[r], names, {}, 0) for r in (slice(600), slice(600, 1200)))
    node = {"_target_": f"{library}Regressor", **SMALL[library], "n_estimators": 500, "learning_rate": 0.5}
    fitted = ScikitLearnEstimator(node, patience=5).fit(train, val, lambda epoch, metrics: rounds.append(epoch))
    assert rounds == list(range(len(rounds)))
    assert 5 < len(rounds) < 100
    session = onnxruntime.InferenceSession(fitted.to_onnx().SerializeToString(), providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {"X": case.asked})
    np.testing.assert_allclose(got, fitted.predict(case.asked)["prediction"], rtol=1e-5, atol=1e-5)


def test_thresholds_are_rounded_down() -> None:
    values = np.array([1.0, 1.0 + 2.0**-25, 1.0 + 3 * 2.0**-25, -1.0 - 2.0**-25, 0.0, 1e30, -1e30, 1e-46])
    down = floor_float32(values)
    assert down.dtype == np.float32
    assert (down.astype(np.float64) <= values).all()
    assert (np.nextafter(down, np.float32(np.inf)).astype(np.float64) > values).all()
