"""Tree ensembles as one ONNX TreeEnsembleRegressor, exact for float32 features.

Tree libraries compare with float64 thresholds, ONNX with float32 ones. For `x <= t` and float32 x nothing changes when
t becomes the greatest float32 that is not above it; rounding to nearest moves rows to the other side.
"""

import json
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..ports import UnsupportedModelError

LIGHTGBM_LINKS = {"regression": "none", "regression_l1": "none", "huber": "none", "quantile": "none", "mape": "none",
                  "binary": "sigmoid", "multiclass": "softmax"}  # fmt: skip
XGBOOST_LINKS = {"reg:squarederror": "none", "reg:absoluteerror": "none", "reg:pseudohubererror": "none",
                 "reg:quantileerror": "none", "binary:logistic": "sigmoid", "multi:softprob": "softmax"}  # fmt: skip
"""What turns the sum of the trees into a prediction, by objective."""


def floor_float32(thresholds: np.ndarray) -> np.ndarray:
    """The greatest float32 that is not above each threshold."""
    exact = np.asarray(thresholds, np.float64)
    with np.errstate(over="ignore"):
        nearest = exact.astype(np.float32)
    return np.where(nearest > exact, np.nextafter(nearest, np.float32(-np.inf)), nearest).astype(np.float32)


class Ensemble:
    """Collects trees and writes them as one node.

    Args:
        outputs: values that the ensemble adds up: 1, or the number of classes.
        mode: `BRANCH_LEQ` (x <= t goes left) or `BRANCH_LT` (x < t goes left).
    """

    def __init__(self, outputs: int, mode: str = "BRANCH_LEQ") -> None:
        self.outputs, self.mode, self.trees = outputs, mode, 0
        self._nodes: dict[str, list[Any]] = {
            f"nodes_{name}": []
            for name in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids")
        } | {"nodes_missing_value_tracks_true": []}
        self._leaves: dict[str, list[Any]] = {f"target_{name}": [] for name in ("treeids", "nodeids", "ids", "weights")}

    def add(
        self,
        *,
        feature: Any,
        threshold: Any,
        left: Any,
        right: Any,
        missing_left: Any,
        leaf: Any,
        value: Any,
        output: int = 0,
    ) -> None:
        """Add a tree given as arrays over its nodes.

        Args:
            feature: position of the feature a node looks at, `[M]`.
            threshold: what it is compared with, `[M]`.
            left: node to go to when the comparison holds, `[M]`.
            right: node to go to otherwise, `[M]`.
            missing_left: whether a missing value goes left, `[M]`.
            leaf: whether a node is a leaf, `[M]`.
            value: what a leaf adds, `[M]` for one output or `[M, outputs]`.
            output: which output `[M]` values go to.
        """
        leaf = np.asarray(leaf, bool)
        limits = floor_float32(threshold) if self.mode == "BRANCH_LEQ" else np.asarray(threshold, np.float32)
        inner: dict[str, np.ndarray] = {
            "featureids": np.where(leaf, 0, feature).astype(np.int64),
            "values": np.where(leaf, 0, limits).astype(np.float32),
            "truenodeids": np.where(leaf, 0, left).astype(np.int64),
            "falsenodeids": np.where(leaf, 0, right).astype(np.int64),
            "missing_value_tracks_true": np.where(leaf, 0, missing_left).astype(np.int64),
            "modes": np.where(leaf, "LEAF", self.mode),
            "treeids": np.full(len(leaf), self.trees),
            "nodeids": np.arange(len(leaf)),
        }
        for name, values in inner.items():
            self._nodes[f"nodes_{name}"] += values.tolist()
        values = np.asarray(value, np.float64)
        where = np.flatnonzero(leaf)
        weights = values[where] if values.ndim == 2 else values[where, None]
        targets = np.arange(weights.shape[1]) if values.ndim == 2 else np.array([output])
        self._leaves["target_treeids"] += [self.trees] * weights.size
        self._leaves["target_nodeids"] += np.repeat(where, weights.shape[1]).tolist()
        self._leaves["target_ids"] += np.tile(targets, len(where)).tolist()
        self._leaves["target_weights"] += weights.ravel().tolist()
        self.trees += 1

    def to_onnx(self, width: int, base: list[float], link: str) -> onnx.ModelProto:
        """The graph: float32 `[N, width]` in, `prediction` `[N, 1]` or `probabilities` `[N, K]` out.

        Args:
            width: number of features.
            base: what is added to each output.
            link: `none`, `sigmoid` (two classes from one output), `softmax`, or `mean` (outputs are probabilities).
        """
        raw = "prediction" if link == "none" else "probabilities" if link == "mean" else "raw"
        ensemble = {
            "n_targets": self.outputs,
            "aggregate_function": "SUM",
            "post_transform": "NONE",
            "base_values": base,
        }
        nodes = [
            helper.make_node(
                "TreeEnsembleRegressor",
                ["X"],
                [raw],
                "trees",
                domain="ai.onnx.ml",
                **ensemble,
                **self._nodes,
                **self._leaves,
            )
        ]
        constants, columns = [], self.outputs
        if link == "softmax":
            nodes.append(helper.make_node("Softmax", [raw], ["probabilities"], "softmax", axis=1))
        elif link == "sigmoid":
            constants.append(numpy_helper.from_array(np.array([[-1.0, 1.0]], np.float32), "signs"))
            nodes.append(helper.make_node("Mul", [raw, "signs"], ["signed"], "signed#"))  # 1 - s(x) = s(-x)
            nodes.append(helper.make_node("Sigmoid", ["signed"], ["probabilities"], "sigmoid"))
            columns = 2
        output = "prediction" if link == "none" else "probabilities"
        graph = helper.make_graph(
            nodes,
            "trees",
            [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["N", width])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", columns])],
            constants,
        )
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def from_lightgbm(estimator: Any, width: int, classes: int) -> onnx.ModelProto:
    """A fitted LGBMRegressor or LGBMClassifier, up to its best iteration."""
    dump = estimator.booster_.dump_model(num_iteration=estimator.best_iteration_ or -1)
    outputs = dump["num_tree_per_iteration"]
    objective = dump.get("objective", "").split()
    if dump.get("average_output"):
        raise UnsupportedModelError("LightGBM with boosting=rf cannot be registered: use a random forest or gbdt")
    if (
        not objective
        or objective[0] not in LIGHTGBM_LINKS
        or set(objective[1:]) - {"sigmoid:1", f"num_class:{classes}"}
    ):
        shown = " ".join(objective) or "of its own"
        raise UnsupportedModelError(
            f"LightGBM's objective {shown} cannot be registered: use {', '.join(LIGHTGBM_LINKS)}"
        )
    ensemble = Ensemble(outputs)
    for position, info in enumerate(dump["tree_info"]):
        rows: list[dict[str, Any]] = []
        _walk_lightgbm(info["tree_structure"], rows)
        names = ("feature", "threshold", "left", "right", "missing_left", "leaf", "value")
        ensemble.add(**{name: [row[name] for row in rows] for name in names}, output=position % outputs)
    return ensemble.to_onnx(width, [0.0] * outputs, LIGHTGBM_LINKS[objective[0]])


def _walk_lightgbm(node: dict[str, Any], rows: list[dict[str, Any]]) -> int:
    """Flatten a nested tree into `rows`, and return the node's position."""
    position = len(rows)
    row = {"feature": 0, "threshold": 0.0, "left": 0, "right": 0, "missing_left": False, "leaf": True, "value": 0.0}
    rows.append(row)
    if "leaf_const" in node or "leaf_coeff" in node:
        raise UnsupportedModelError("LightGBM with linear_tree=true cannot be registered")
    if "leaf_value" in node:
        row["value"] = node["leaf_value"]
        return position
    if node["decision_type"] != "<=":
        raise UnsupportedModelError("LightGBM's categorical splits cannot be registered: leave categorical_feature out")
    if node["missing_type"] == "Zero":
        raise UnsupportedModelError("LightGBM with zero_as_missing=true cannot be registered")
    threshold = float(node["threshold"])
    # Where training saw no missing value, LightGBM reads one as 0.
    missing_left = node["default_left"] if node["missing_type"] == "NaN" else threshold >= 0.0
    row |= {"feature": node["split_feature"], "threshold": threshold, "missing_left": missing_left, "leaf": False}
    row["left"] = _walk_lightgbm(node["left_child"], rows)
    row["right"] = _walk_lightgbm(node["right_child"], rows)
    return position


def from_xgboost(estimator: Any, width: int, classes: int) -> onnx.ModelProto:
    """A fitted XGBRegressor or XGBClassifier, up to its best iteration."""
    booster = estimator.get_booster()
    best = getattr(estimator, "best_iteration", None) if estimator.early_stopping_rounds else None
    booster = booster[: best + 1] if best is not None else booster
    learner = json.loads(booster.save_raw("json"))["learner"]
    if learner["gradient_booster"]["name"] != "gbtree":
        raise UnsupportedModelError(f"XGBoost with booster={learner['gradient_booster']['name']} cannot be registered")
    objective = learner["objective"]["name"]
    if objective not in XGBOOST_LINKS:
        raise UnsupportedModelError(
            f"XGBoost's objective {objective} cannot be registered: use {', '.join(XGBOOST_LINKS)}"
        )
    link = XGBOOST_LINKS[objective]
    model = learner["gradient_booster"]["model"]
    outputs = classes if link == "softmax" else 1
    base = [float(value) for value in learner["learner_model_param"]["base_score"].strip("[]").split(",")]
    base = base * outputs if len(base) == 1 else base
    if link == "sigmoid":
        base = [float(np.log(value / (1 - value))) for value in base]
    ensemble = Ensemble(outputs, mode="BRANCH_LT")
    for tree, output in zip(model["trees"], model["tree_info"], strict=True):
        if any(tree.get("split_type", [])):
            raise UnsupportedModelError(
                "XGBoost's categorical splits cannot be registered: leave enable_categorical out"
            )
        if int(tree["tree_param"]["size_leaf_vector"]) > 1:
            raise UnsupportedModelError("XGBoost with multi_strategy=multi_output_tree cannot be registered")
        left = np.array(tree["left_children"])
        ensemble.add(
            feature=tree["split_indices"],
            threshold=tree["split_conditions"],
            left=left,
            right=tree["right_children"],
            missing_left=tree["default_left"],
            leaf=left < 0,
            value=tree["split_conditions"],
            output=output,
        )
    return ensemble.to_onnx(width, base, link)


def from_hist_gradient_boosting(estimator: Any, width: int, classes: int) -> onnx.ModelProto:
    """A fitted HistGradientBoostingRegressor or -Classifier."""
    if not classes and estimator.loss not in ("squared_error", "absolute_error", "quantile"):
        raise UnsupportedModelError(f"HistGradientBoosting with loss={estimator.loss} cannot be registered")
    outputs = classes if classes > 2 else 1
    ensemble = Ensemble(outputs)
    for iteration in estimator._predictors:
        for output, predictor in enumerate(iteration):
            nodes = predictor.nodes
            if nodes["is_categorical"].any():
                raise UnsupportedModelError("HistGradientBoosting's categorical splits cannot be registered")
            ensemble.add(
                feature=nodes["feature_idx"],
                threshold=nodes["num_threshold"],
                left=nodes["left"],
                right=nodes["right"],
                missing_left=nodes["missing_go_to_left"],
                leaf=nodes["is_leaf"],
                value=nodes["value"],
                output=output,
            )
    link = "softmax" if classes > 2 else "sigmoid" if classes else "none"
    return ensemble.to_onnx(width, np.ravel(estimator._baseline_prediction).tolist(), link)


def from_forest(estimator: Any, width: int, classes: int) -> onnx.ModelProto:
    """A fitted random forest, extra trees, or single decision tree of scikit-learn."""
    members = getattr(estimator, "estimators_", [estimator])
    outputs = max(1, classes)
    ensemble = Ensemble(outputs)
    for member in members:
        tree = member.tree_
        value = tree.value[:, 0, :] / len(members)
        ensemble.add(
            feature=tree.feature,
            threshold=tree.threshold,
            left=tree.children_left,
            right=tree.children_right,
            missing_left=tree.missing_go_to_left,
            leaf=tree.children_left < 0,
            value=value if classes else value[:, 0],
        )
    return ensemble.to_onnx(width, [0.0] * outputs, "mean" if classes else "none")
