"""Which estimators become ONNX graphs, and by what.

An estimator is listed once it passes tests/integration/test_converters.py: adjacent float32 values, values missing only
at test, values missing in training. To add one, add its name here and to that test's table.
"""

from typing import Any

import onnx

from ..ports import UnsupportedModelError
from . import trees

WRITERS = {
    "LGBMRegressor": trees.from_lightgbm,
    "LGBMClassifier": trees.from_lightgbm,
    "XGBRegressor": trees.from_xgboost,
    "XGBClassifier": trees.from_xgboost,
    "RandomForestRegressor": trees.from_forest,
    "RandomForestClassifier": trees.from_forest,
    "ExtraTreesRegressor": trees.from_forest,
    "ExtraTreesClassifier": trees.from_forest,
    "DecisionTreeRegressor": trees.from_forest,
    "DecisionTreeClassifier": trees.from_forest,
    "HistGradientBoostingRegressor": trees.from_hist_gradient_boosting,
    "HistGradientBoostingClassifier": trees.from_hist_gradient_boosting,
}
"""Written by this project: library converters round thresholds to the nearest float32, which moves rows."""

BY_SKL2ONNX = (
    "BayesianRidge", "ElasticNet", "HuberRegressor", "Lasso", "LinearRegression", "LogisticRegression",
    "MLPClassifier", "MLPRegressor", "Ridge",
)  # fmt: skip
"""Converted by skl2onnx."""

LIBRARIES = ("lightgbm", "sklearn", "xgboost")
"""Whose classes are meant by those names."""


def convert(estimator: Any, width: int, classes: int) -> onnx.ModelProto:
    """One float32 input `[N, width]`; `prediction` `[N, 1]` or `probabilities` `[N, K]`.

    Raises:
        UnsupportedModelError: the estimator is not on the list.
    """
    name = type(estimator).__name__
    known_library = type(estimator).__module__.split(".")[0] in LIBRARIES
    if known_library and name in WRITERS:
        return WRITERS[name](estimator, width, classes)
    if not known_library or name not in BY_SKL2ONNX:
        known = ", ".join(sorted([*WRITERS, *BY_SKL2ONNX]))
        raise UnsupportedModelError(
            f"{name} cannot be registered: no converter is known to reproduce it; known: {known}"
        )
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    options = {id(estimator): {"zipmap": False, "output_class_labels": False}} if classes else {}
    model = convert_sklearn(
        estimator,
        initial_types=[("X", FloatTensorType([None, width]))],
        target_opset={"": 18, "ai.onnx.ml": 3},
        options=options,
    )
    source, output = ("probabilities", "probabilities") if classes else ("variable", "prediction")
    return _renamed(model, source, output)


def _renamed(model: onnx.ModelProto, source: str, output: str) -> onnx.ModelProto:
    """Keep one output, under another name."""
    graph = model.graph
    for node in graph.node:
        node.output[:] = [output if name == source else name for name in node.output]
        node.input[:] = [output if name == source else name for name in node.input]
    kept = next(value for value in graph.output if value.name == source)
    kept.name = output
    del graph.output[:]
    graph.output.append(kept)
    return model
