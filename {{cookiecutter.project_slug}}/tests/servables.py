"""Small servables made by hand, so that what serves them is tested without training; and their answers by numpy."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from {{ cookiecutter.project_slug }}.schemas.contract import (
    Column,
    Contract,
    Entity,
    Provenance,
    Source,
    Target,
)
from {{ cookiecutter.project_slug }}.schemas.serving import ServingConfig

from tests.project import store

CITY = 'größe "lage"'
COLUMNS = (
    Column(name="age", kind="number", unit="years", missing=False, range=(18.0, 90.0), typical=41.5),
    Column(name="rooms per house", kind="integer", range=(1.0, 12.0), typical=4.0),
    Column(name="is.new", kind="boolean", range=(0.0, 1.0), typical=1.0),
    Column(name="seen at", kind="time", range=(1.5e9, 1.7e9), typical=1.6e9),
    Column(name=CITY, kind="category", categories=("süd", "nord", "5", "true"), typical="süd"),
    Column(name="history", role="past", kind="number", width=3, unit="°C", range=(-20.0, 40.0), typical=1.5),
    Column(
        name="income",
        kind="number",
        unit="$",
        source=Source(table="cells", entity=(Entity(column="age", grid=10.0),)),
        typical=2.0,
    ),
    Column(name="id", role="key", kind="category"),
)
NUMBERS: dict[str, tuple[float, list[float]]] = {
    "age": (0.0, [0.5]),
    "rooms per house": (4.0, [2.0]),
    "is.new": (0.5, [10.0]),
    "seen at": (0.0, [1e-3 / 86400]),
    "history": (1.0, [1.0, 2.0, 3.0]),
    "income": (2.0, [0.25]),
}
"""What stands in for a missing value, and the weights."""
LEVELS = {"süd": 1.0, "nord": -1.0, "5": 5.0, "true": 7.0, "": -3.0}
"""What a category adds; one that is not here adds 0.125."""
CLASSES = ("hoch", "mittel", "niedrig")
SLOPES = [0.05, 0.01, -0.05]
"""Of the classes' logits."""

ROWS: list[dict[str, Any]] = [
    {"age": 30, "rooms per house": 3, "is.new": True, "seen at": "2020-09-13T12:26:40Z", CITY: "süd",
     "history": [1.5, 2.5, 3.5], "income": 4.25, "id": "a-1"},
    {"age": 44.25, "rooms per house": 5.0, "is.new": False, "seen at": 1.6e9, CITY: 5,
     "history": [0, None, -1], "income": None, "id": "a-2"},
    {"age": 18, "rooms per house": None, "is.new": None, "seen at": None, CITY: None,
     "history": [None, None, None], "income": 0, "id": "a-3"},
    {"age": 90.125, "rooms per house": 12, "is.new": True, "seen at": "1969-12-31", CITY: True,
     "history": [40, 40, 40], "income": 9.5, "id": "a-4"},
    {"age": -1e6, "rooms per house": 1, "is.new": False, "seen at": "2024-02-29T23:59:59.5+01:00", CITY: "☂ unseen",
     "history": [-20, 0.1, 0.2], "income": 1e3, "id": "a-5"},
]  # fmt: skip
"""Rows as a client sends them; the golden rows are these."""


def numbers(wide: bool) -> dict[str, tuple[float, list[float]]]:
    """NUMBERS, with the columns of a width above 1 or without."""
    return {name: (fill, weights) for name, (fill, weights) in NUMBERS.items() if wide or len(weights) == 1}


def expected(
    rows: list[dict[str, Any]], kind: str = "regression", bias: float = 0.0, *, wide: bool = True
) -> dict[str, np.ndarray]:
    """The graph's answers computed apart from it: outputs `[N, width]`, float64."""
    score = np.full(len(rows), bias)
    for name, (fill, weights) in numbers(wide).items():
        for row, record in enumerate(rows):
            cell = record.get(name)
            cells = cell if isinstance(cell, list) else [cell] * len(weights)
            score[row] += sum(_seconds(fill if c is None else c) * w for c, w in zip(cells, weights, strict=True))
    for row, record in enumerate(rows):
        level = record.get(CITY)
        text = "" if level is None else str(level).lower() if isinstance(level, bool) else str(level)
        score[row] += LEVELS.get(text, 0.125)
    if kind == "regression":
        return {"price_prediction": score[:, None]}
    logits = score[:, None] * np.array([SLOPES])
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    names = np.array(CLASSES, object)
    return {"risk_prediction": names[probabilities.argmax(axis=1)][:, None], "risk_probabilities": probabilities}


def write_servable(
    folder: Path,
    kind: Literal["regression", "classification"] = "regression",
    *,
    name: str = "house",
    bias: float = 0.0,
    wide: bool = True,
    limit: float | None = None,
) -> Path:
    """Write a servable with every kind of column, a key, and a column of width 3.

    Args:
        folder: the directory to make.
        kind: `price`, or `risk` with the classes of CLASSES.
        name: the contract's name.
        bias: added to every score, so that two servables can answer differently.
        wide: whether there is a column of width 3, which no CSV file can hold.
        limit: numbers beyond it count as it, so that every finite number has a finite prediction.
    """
    folder.mkdir(parents=True)
    columns = tuple(column for column in COLUMNS if wide or column.width == 1)
    (folder / "model.onnx").write_bytes(_graph(kind, bias, wide, limit).SerializeToString())
    golden = {
        "inputs": {column.name: [row[column.name] for row in ROWS] for column in columns if column.role != "key"},
        "outputs": {name: array.tolist() for name, array in expected(ROWS, kind, bias, wide=wide).items()},
    }
    (folder / "golden.json").write_text(json.dumps(golden), encoding="utf-8")
    target = (
        Target(name="price", kind="regression", unit="k$", deviation=20.0)
        if kind == "regression"
        else Target(name="risk", kind="classification", classes=CLASSES, deviation=0.5)
    )
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}
    provenance = Provenance(commit="c" * 40, dirty=False, data="d" * 64, config="e" * 64)
    contract = Contract(name=name, columns=columns, targets=(target,), provenance=provenance, digests=digests)
    (folder / "contract.json").write_text(contract.to_json(), encoding="utf-8")
    return folder


def serving(reference: Path | str, **changed: Any) -> ServingConfig:
    """Settings of a service for a test: a reference, the embedded store of the working directory."""
    values: dict[str, Any] = {
        "reference": str(reference),
        "host": "127.0.0.1",
        "port": 0,
        "threads": 1,
        "tracking_uri": store(),
        "cache_dir": "outputs/servables",
        "poll_seconds": 0.05,
        "registry_seconds": 2,
        "api_keys": None,
        "max_body_bytes": 10_000_000,
        "max_rows": 100_000,
        "body_seconds": 5,
        "max_in_flight": 64,
        "retry_after_seconds": 1,
        "inline_ms": 1.0,
        "pool_threads": 2,
        "keep_alive_seconds": 5,
        "drain_seconds": 0,
        "finish_seconds": 5,
    }
    return ServingConfig(**values | changed)


def _seconds(value: Any) -> float:
    if not isinstance(value, str):
        return float(value)
    moment = datetime.fromisoformat(value)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _graph(kind: str, bias: float, wide: bool, limit: float | None) -> onnx.ModelProto:
    nodes, constants = [], [_constant("bias", np.array([[bias]]))]
    for position, (name, (fill, weights)) in enumerate(numbers(wide).items()):
        missing, filled, part, weight = (f"{word}{position}" for word in ("missing", "filled", "part", "weight"))
        constants += [_constant(f"fill{position}", np.array(fill)), _constant(weight, np.array(weights)[:, None])]
        nodes += [
            helper.make_node("IsNaN", [name], [missing]),
            helper.make_node("Where", [missing, f"fill{position}", name], [filled]),
            helper.make_node("MatMul", [filled, weight], [part]),
        ]
    if limit is not None:
        constants += [_constant("low", np.array(-limit)), _constant("high", np.array(limit))]
        for node in [node for node in nodes if node.op_type == "MatMul"]:
            held = f"held_{node.input[0]}"
            nodes.insert(nodes.index(node), helper.make_node("Clip", [node.input[0], "low", "high"], [held]))
            node.input[0] = held
    levels = {"keys_strings": list(LEVELS), "values_floats": list(LEVELS.values()), "default_float": 0.125}
    parts = [f"part{position}" for position in range(len(numbers(wide)))]
    nodes += [
        helper.make_node("LabelEncoder", [CITY], ["level"], domain="ai.onnx.ml", **levels),
        helper.make_node("Cast", ["level"], ["level64"], to=TensorProto.DOUBLE),
        helper.make_node("Sum", [*parts, "level64", "bias"], ["score"]),
    ]
    if kind == "regression":
        nodes.append(helper.make_node("Cast", ["score"], ["price_prediction"], to=TensorProto.FLOAT))
        outputs = [helper.make_tensor_value_info("price_prediction", TensorProto.FLOAT, ["N", 1])]
    else:
        constants += [_constant("slopes", np.array([SLOPES])), _constant("classes", np.array(CLASSES, object))]
        nodes += [
            helper.make_node("Mul", ["score", "slopes"], ["logits64"]),
            helper.make_node("Cast", ["logits64"], ["logits"], to=TensorProto.FLOAT),
            helper.make_node("Softmax", ["logits"], ["risk_probabilities"], axis=1),
            helper.make_node("ArgMax", ["risk_probabilities"], ["position"], axis=1, keepdims=1),
            helper.make_node("Gather", ["classes", "position"], ["risk_prediction"]),
        ]
        outputs = [
            helper.make_tensor_value_info("risk_prediction", TensorProto.STRING, ["N", 1]),
            helper.make_tensor_value_info("risk_probabilities", TensorProto.FLOAT, ["N", len(CLASSES)]),
        ]
    types = {column.name: TensorProto.STRING if column.kind == "category" else TensorProto.DOUBLE for column in COLUMNS}
    inputs = [
        helper.make_tensor_value_info(column.name, types[column.name], ["N", column.width])
        for column in COLUMNS
        if column.role != "key" and (wide or column.width == 1)
    ]
    graph = helper.make_graph(nodes, "servable", inputs, outputs, constants)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def _constant(name: str, array: np.ndarray) -> TensorProto:
    return numpy_helper.from_array(array, name)
