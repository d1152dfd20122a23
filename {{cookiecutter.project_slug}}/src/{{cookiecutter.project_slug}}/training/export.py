"""One graph from raw columns to predictions: front-end, model, and a tail that names the outputs."""

import onnx
from onnx import TensorProto, compose, helper, version_converter

from ..features.graph import FEATURES, to_onnx
from ..features.writer import IR_VERSION, OPSET, PREFIX, GraphWriter, opset_imports
from ..schemas.contract import Target
from .fit import Fitted

MODEL_PREFIX = f"{PREFIX}model/"


def to_bytes(fitted: Fitted) -> bytes:
    """The servable's graph; the same bytes for the same front-end and model, in any folder.

    Raises:
        UnsupportedModelError: the model has no converter.
    """
    model = _aligned(fitted.model.to_onnx())
    front_end = to_onnx(fitted.front_end)
    output = model.graph.output[0].name
    merged = compose.merge_models(
        front_end,
        model,
        io_map=[(FEATURES, model.graph.input[0].name)],
        prefix2=MODEL_PREFIX,
        outputs=[MODEL_PREFIX + output],
    )
    _add_tail(merged.graph, MODEL_PREFIX + output, fitted.target)
    _strip(merged)
    onnx.checker.check_model(merged, full_check=True)
    blob: bytes = merged.SerializeToString(deterministic=True)
    return blob


def _aligned(model: onnx.ModelProto) -> onnx.ModelProto:
    """Parts merge only when operator sets and IR are the same."""
    versions = {entry.domain: entry.version for entry in model.opset_import}
    if versions.get("", OPSET) != OPSET:
        model = version_converter.convert_version(model, OPSET)
    del model.opset_import[:]
    model.opset_import.extend(opset_imports())
    model.ir_version = IR_VERSION
    return model


def _add_tail(graph: onnx.GraphProto, source: str, target: Target) -> None:
    """The outputs by their names; a classifier's label is computed from its probabilities, the same for every model."""
    writer = GraphWriter()
    del graph.output[:]
    if target.classes is None:
        column = writer.constant("column", [-1, 1], int)
        writer.nodes.append(helper.make_node("Reshape", [source, column], [target.prediction], f"{PREFIX}prediction#"))
        graph.output.append(helper.make_tensor_value_info(target.prediction, TensorProto.FLOAT, ["N", 1]))
    else:
        text = isinstance(target.classes[0], str)
        classes = writer.constant("classes", target.classes, object if text else int)
        best = writer.node("ArgMax", [source], "best", axis=1, keepdims=1)
        label = helper.make_node("Gather", [classes, best], [target.prediction], f"{PREFIX}label#", axis=0)
        copied = helper.make_node("Identity", [source], [target.probabilities], f"{PREFIX}probabilities#")
        writer.nodes += [label, copied]
        element = TensorProto.STRING if text else TensorProto.INT64
        graph.output.append(helper.make_tensor_value_info(target.prediction, element, ["N", 1]))
        shape = ["N", len(target.classes)]
        graph.output.append(helper.make_tensor_value_info(target.probabilities, TensorProto.FLOAT, shape))
    graph.node.extend(writer.nodes)
    graph.initializer.extend(writer.constants)


def _strip(model: onnx.ModelProto) -> None:
    """Exporters write source paths, stack traces and their own names into a graph; none of it is the computation."""
    if model.functions:
        raise ValueError("the model's graph has functions of its own, which cannot be merged")
    model.producer_name, model.producer_version, model.doc_string = "servable", "", ""
    del model.metadata_props[:]
    _strip_graph(model.graph)


def _strip_graph(graph: onnx.GraphProto) -> None:
    graph.name, graph.doc_string = "servable", ""
    del graph.metadata_props[:]
    del graph.value_info[:]
    for node in graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
        for attribute in node.attribute:
            attribute.doc_string = ""
            if attribute.HasField("g"):
                _strip_graph(attribute.g)
    for item in (*graph.input, *graph.output, *graph.initializer):
        item.doc_string = ""
        del item.metadata_props[:]
