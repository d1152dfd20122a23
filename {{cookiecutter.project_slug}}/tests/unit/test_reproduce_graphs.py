"""Two graphs compared weight by weight, and two runs metric by metric."""

import math

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from {{ cookiecutter.project_slug }}.reproduction.comparison import (
    Comparison,
    Metric,
    compare_metrics,
)
from {{ cookiecutter.project_slug }}.reproduction.facts import Fact
from {{ cookiecutter.project_slug }}.reproduction.graphs import GraphComparison, compare_graphs
from {{ cookiecutter.project_slug }}.reproduction.report import Report

LEAVES, MODES = [2.0, -4.0], ["LEAF", "LEAF"]


def graph(
    weights=(1.0, 2.0, 4.0), leaves=LEAVES, modes=MODES, classes=(1, 2), constant=0.5, names=("w", "c"), opset=18
) -> bytes:
    """A model with weights in an initializer, in a tree's attributes, and in a constant."""
    nodes = [
        helper.make_node("Constant", [], ["half"], "half", value=numpy_helper.from_array(np.array([constant]), "half")),
        helper.make_node("MatMul", ["x", names[0]], ["m"], "product"),
        helper.make_node("Ensemble", ["m"], ["y"], "trees", domain="ai.onnx.ml", leaves=leaves, modes=modes, base=0.25),
    ]
    initializers = [
        numpy_helper.from_array(np.array(weights, np.float32), names[0]),
        numpy_helper.from_array(np.array(classes, np.int64), names[1]),
    ]
    ends = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 1])] for name in ("x", "y")]
    made = helper.make_graph(nodes, "servable", *ends, initializers)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)]).SerializeToString()


def test_the_same_bytes():
    found = compare_graphs(graph(), graph())
    assert found == GraphComparison(same_bytes=True)
    assert (found.relative, str(found)) == (0.0, "the same bytes")


@pytest.mark.parametrize(
    ("change", "name", "absolute", "relative"),
    [
        ({"weights": (1.0, 2.0, 4.5)}, "w", 0.5, 0.125),
        ({"leaves": [2.5, -4.0]}, "trees.leaves", 0.5, 0.125),
        ({"constant": 0.25}, "half.value", 0.25, 0.5),
        ({"weights": (1.0, 2.0, math.nan)}, "w", math.inf, math.inf),
    ],
)
def test_weights_differ_by_so_much(change, name, absolute, relative):
    found = compare_graphs(graph(), graph(**change))
    (weights,) = found.weights
    assert (weights.name, weights.absolute, weights.relative) == (name, absolute, relative)
    assert (found.structure, found.relative) == (None, relative)


def test_the_worst_weights_come_first():
    found = compare_graphs(graph(), graph(weights=(1.0, 2.0, 4.5), constant=0.25))
    assert [weights.name for weights in found.weights] == ["half.value", "w"]
    assert str(found) == "weights differ by up to 0.5 of the greatest (half.value, and 1 more)"


def test_weights_that_are_missing_in_both_are_the_same():
    found = compare_graphs(graph(weights=(1.0, math.nan, 4.0)), graph(weights=(1.5, math.nan, 4.0)))
    assert found.relative == 0.125


def test_a_zero_of_the_other_sign_is_the_same_weight_in_other_bytes():
    found = compare_graphs(graph(weights=(0.0, 1.0, 2.0)), graph(weights=(-0.0, 1.0, 2.0)))
    assert (found.same_bytes, found.relative, str(found)) == (False, 0.0, "the same weights in other bytes")


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"weights": (1.0, 2.0)}, "w is float32[3] and float32[2]"),
        ({"leaves": [2.0]}, "trees.leaves is float32[2] and float32[1]"),
        ({"modes": ["LEAF", "BRANCH_LEQ"]}, "trees.modes is another"),
        ({"classes": (1, 3)}, "c has other values"),
        ({"names": ("w", "d")}, "one graph alone has the weights 'c'"),
        ({"opset": 19}, "operator sets {'': 18} and {'': 19}"),
    ],
)
def test_another_computation_is_named(change, where):
    found = compare_graphs(graph(), graph(**change))
    assert (found.structure, found.relative) == (where, math.inf)
    assert str(found) == f"not the same computation: {where}"


def test_metrics_of_every_split_are_compared_and_no_others():
    recorded = {"test/rmse": 2.0, "val/loss": math.nan, "train/mae": 1.0, "export/parity": 0.1, "cv/rmse": 1.0}
    refitted = {"test/rmse": 2.5, "val/loss": math.nan, "test/mae": 1.0, "export/parity": 0.2}
    found = {metric.name: (metric.absolute, metric.relative) for metric in compare_metrics(recorded, refitted)}
    assert found == {
        "test/mae": (math.inf, math.inf),
        "test/rmse": (0.5, 0.25),
        "train/mae": (math.inf, math.inf),
        "val/loss": (0.0, 0.0),
    }


def report(tolerance: float, refitted: float | None = 2.0, change=None) -> Report:
    facts = (Fact("package.numpy", "2.4.6", "2.5.0"), Fact("system.cpu", None, "One"))
    found = Comparison(
        compare_graphs(graph(), graph(**(change or {}))), (Metric("test/rmse", 2.0, refitted),), facts, ("golden.json",)
    )
    return Report("house", "3", "c" * 40, "this environment", "local", tolerance, found)


@pytest.mark.parametrize(
    ("tolerance", "refitted", "change", "verdict"),
    [
        (0.0, 2.0, None, "identical"),
        (0.1, 2.0, None, "identical"),
        (0.0, 2.1, None, "differs"),
        (0.0, math.nan, None, "differs"),
        (1.0, None, None, "differs"),
        (0.1, 2.1, None, "equal"),
        (0.1, 2.0, {"weights": (1.0, 2.0, 4.5)}, "differs"),
        (0.2, 2.1, {"weights": (1.0, 2.0, 4.5)}, "equal"),
        (9.0, 2.0, {"classes": (1, 3)}, "differs"),
    ],
)
def test_the_verdict_holds_metrics_and_weights_against_the_tolerance(tolerance, refitted, change, verdict):
    assert report(tolerance, refitted, change).verdict == verdict


def test_what_differs_and_what_has_changed_is_one_line():
    found = report(0.0, 2.5, {"weights": (1.0, 2.0, 4.5)})
    assert found.title == "house version 3 refitted: not equal within 0"
    assert str(found.found) == (
        "graph: weights differ by up to 0.125 of the greatest (w); 1 of 1 metrics differ, test/rmse by 0.25; "
        "changed since: package.numpy: 2.4.6 → 2.5.0, system.cpu: not recorded → One"
    )


def test_the_report_as_a_table_and_as_json():
    found = report(0.0, None, {"weights": (1.0, 2.0, math.inf)})
    lines = found.table().splitlines()
    assert lines[2].split() == ["metric", "recorded", "refitted", "difference"]
    assert lines[3].split() == ["test/rmse", "2", "absent", "inf"]
    assert "changed      package.numpy: 2.4.6 → 2.5.0" in lines
    assert "other files  golden.json: other bytes" in lines
    document = found.document()
    assert document["metrics"] == [
        {"name": "test/rmse", "recorded": 2.0, "refitted": None, "absolute": None, "relative": None}
    ]
    assert document["graph"]["weights"] == [{"name": "w", "absolute": None, "relative": None}]
    assert document["changed"][1] == {"name": "system.cpu", "recorded": None, "now": "One"}
