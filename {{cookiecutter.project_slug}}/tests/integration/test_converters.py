"""Every estimator that the list of converters names passes; one that it does not name is refused in one line."""

from typing import Any

import numpy as np
import pytest
from hydra.utils import get_class

from {{ cookiecutter.project_slug }}.models.converters import BY_SKL2ONNX, WRITERS, convert
from {{ cookiecutter.project_slug }}.models.scikit_learn import ScikitLearnEstimator
from {{ cookiecutter.project_slug }}.ports import Matrix, UnsupportedModelError

from ..matrices import CASES, CLASSES, WIDTH, Case, near, rows_off

pytestmark = pytest.mark.slow
FOREST = {"n_estimators": 10, "min_samples_leaf": 2, "random_state": 0}
PERCEPTRON = {"hidden_layer_sizes": [16], "max_iter": 30, "random_state": 0}
ESTIMATORS: dict[str, dict[str, Any]] = {
    "lightgbm.LGBMRegressor": {"n_estimators": 20, "min_data_in_bin": 1, "n_jobs": 1, "verbose": -1},
    "lightgbm.LGBMClassifier": {"n_estimators": 20, "min_data_in_bin": 1, "n_jobs": 1, "verbose": -1},
    "xgboost.XGBRegressor": {"n_estimators": 20, "n_jobs": 1},
    "xgboost.XGBClassifier": {"n_estimators": 20, "n_jobs": 1},
    "sklearn.ensemble.RandomForestRegressor": FOREST,
    "sklearn.ensemble.RandomForestClassifier": FOREST,
    "sklearn.ensemble.ExtraTreesRegressor": FOREST,
    "sklearn.ensemble.ExtraTreesClassifier": FOREST,
    "sklearn.ensemble.HistGradientBoostingRegressor": {"max_iter": 10},
    "sklearn.ensemble.HistGradientBoostingClassifier": {"max_iter": 10},
    "sklearn.tree.DecisionTreeRegressor": {"max_depth": 8},
    "sklearn.tree.DecisionTreeClassifier": {"max_depth": 8},
    "sklearn.linear_model.BayesianRidge": {},
    "sklearn.linear_model.ElasticNet": {"alpha": 0.1},
    "sklearn.linear_model.HuberRegressor": {},
    "sklearn.linear_model.Lasso": {"alpha": 0.1},
    "sklearn.linear_model.LinearRegression": {},
    "sklearn.linear_model.Ridge": {},
    "sklearn.linear_model.LogisticRegression": {},
    "sklearn.neural_network.MLPRegressor": PERCEPTRON,
    "sklearn.neural_network.MLPClassifier": PERCEPTRON,
}
CLASSIFIERS = ("Classifier", "LogisticRegression")


def tasks(target: str) -> list[int]:
    """Numbers of classes that an estimator is tried with."""
    return [2, 3] if target.endswith(CLASSIFIERS) else [CLASSES["regression"]]


def ladder_for(target: str) -> Case:
    """Adjacent values: far from zero for trees; smooth models see values that the front-end has centred."""
    return CASES["ladder"] if target.rpartition(".")[2] in WRITERS else near()


def test_the_table_is_the_list() -> None:
    assert sorted(target.rpartition(".")[2] for target in ESTIMATORS) == sorted([*WRITERS, *BY_SKL2ONNX])


@pytest.mark.parametrize(("target", "classes"), [(target, n) for target in ESTIMATORS for n in tasks(target)])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_listed_estimator(target: str, classes: int) -> None:
    for case in (CASES["ordinary"], ladder_for(target)):
        assert rows_off(get_class(target)(**ESTIMATORS[target]), case, classes) == 0


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh"])
@pytest.mark.parametrize(("name", "classes"), [("MLPRegressor", 0), ("MLPClassifier", 2), ("MLPClassifier", 3)])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_activations(name: str, classes: int, activation: str) -> None:
    estimator = get_class(f"sklearn.neural_network.{name}")(**PERCEPTRON, activation=activation)
    assert rows_off(estimator, CASES["ordinary"], classes) == 0


@pytest.mark.parametrize(
    ("target", "classes"),
    [
        ("sklearn.neighbors.KNeighborsRegressor", 0),
        ("sklearn.ensemble.GradientBoostingClassifier", 2),
        ("sklearn.svm.SVR", 0),
    ],
)
def test_an_unlisted_estimator_trains_and_cannot_be_registered(target: str, classes: int) -> None:
    case = CASES["ordinary"]
    small = Matrix(case.train[:200], case.target(classes)[:200], ("a", "b", "c", "d"), {}, classes)
    node = {"_target_": target}
    estimator = ScikitLearnEstimator(classifier=node) if classes else ScikitLearnEstimator(regressor=node)
    fitted = estimator.fit(small, small, lambda epoch, metrics: None)
    assert np.isfinite(next(iter(fitted.predict(case.asked).values()))).all()
    with pytest.raises(UnsupportedModelError) as error:
        fitted.to_onnx()
    name = target.rpartition(".")[2]
    assert str(error.value).startswith(
        f"{name} cannot be registered: no converter is known to reproduce it; known: Bay"
    )
    assert "\n" not in str(error.value)


def test_a_wrong_class_of_that_name_is_refused() -> None:
    class Ridge:
        """Not scikit-learn's."""

    with pytest.raises(UnsupportedModelError, match=r"^Ridge cannot be registered"):
        convert(Ridge(), WIDTH, 0)
