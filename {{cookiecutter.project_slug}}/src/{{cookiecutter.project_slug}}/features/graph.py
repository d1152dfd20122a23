"""Writes the front-end as an ONNX graph: raw columns in, one float32 matrix `[N, F]` out.

The nodes are written by hand, since library converters of preprocessing fail on float64 and text, or scale in float32
(docs/adr of the template). All arithmetic is float64 until the one cast at the end of each block.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper

from .dates import date_parts
from .frontend import MISSING, UNKNOWN, DatePart, FrontEnd, Number
from .writer import IR_VERSION, PREFIX, GraphWriter, opset_imports

FEATURES = f"{PREFIX}features"


def to_onnx(front_end: FrontEnd) -> onnx.ModelProto:
    """The graph of the front-end: one input `[N, 1]` per column, one output float32 `[N, F]`."""
    writer = GraphWriter()
    inputs = [_input(name, kind) for name, kind in front_end.unused]
    inputs += [_input(number.name, "number") for number in front_end.numbers]
    inputs += [_input(category.name, "category") for category in front_end.categories]
    blocks = _numbers(writer, front_end.numbers) if front_end.numbers else []
    for position, category in enumerate(front_end.categories):
        codes = {"": MISSING, **{level: code for code, level in enumerate(category.levels, start=2)}}
        blocks.append(_category(writer, category.name, position, codes, category.onehot))
    matrix = writer.node("Concat", blocks, "matrix", axis=1)
    if front_end.selected is not None:
        chosen = writer.constant("selection", front_end.selected, np.int64)
        matrix = writer.node("Gather", [matrix, chosen], "selected", axis=1)
    writer.nodes.append(helper.make_node("Identity", [matrix], [FEATURES], name=f"{FEATURES}#"))
    output = helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["N", len(front_end.names)])
    graph = helper.make_graph(writer.nodes, "front_end", inputs, [output], writer.constants)
    model = helper.make_model(graph, opset_imports=opset_imports(), ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model


def _input(name: str, kind: str) -> onnx.ValueInfoProto:
    element = TensorProto.STRING if kind == "category" else TensorProto.DOUBLE
    return helper.make_tensor_value_info(name, element, ["N", 1])


def _numbers(writer: GraphWriter, numbers: tuple[Number, ...]) -> list[str]:
    """Imputed, centred and scaled values; then indicators; then parts of dates."""
    raw = writer.node("Concat", [number.name for number in numbers], "numbers", axis=1)
    gaps = writer.node("IsNaN", [raw], "gaps")
    fills = [np.nan if number.fill is None else number.fill for number in numbers]
    filled = writer.node("Where", [gaps, writer.constant("fill", [fills]), raw], "filled")
    centred = writer.node("Sub", [filled, writer.constant("offset", [[n.offset for n in numbers]])], "centred")
    scaled = writer.node("Div", [centred, writer.constant("scale", [[n.scale for n in numbers]])], "scaled")
    blocks = [writer.cast(scaled, "values")]
    indicated = [position for position, number in enumerate(numbers) if number.indicator]
    if indicated:
        which = writer.constant("indicated", indicated, np.int64)
        blocks.append(writer.cast(writer.node("Gather", [gaps, which], "indicated_gaps", axis=1), "indicators"))
    for position, number in enumerate(numbers):
        if number.dates:
            which = writer.constant(f"time{position}", [position], np.int64)
            seconds = writer.node("Gather", [filled, which], f"time{position}/seconds", axis=1)
            parts = date_parts(writer, seconds, f"time{position}")
            blocks += [_date(writer, parts[date.part], date, f"time{position}/{date.part}") for date in number.dates]
    return blocks


def _date(writer: GraphWriter, source: str, date: DatePart, name: str) -> str:
    centred = writer.node("Sub", [source, writer.constant(f"{name}/offset", [[date.offset]])], f"{name}/centred")
    scaled = writer.node("Div", [centred, writer.constant(f"{name}/scale", [[date.scale]])], f"{name}/scaled")
    return writer.cast(scaled, f"{name}/feature")


def _category(writer: GraphWriter, column: str, position: int, codes: dict[str, int], onehot: bool) -> str:
    """One code per row, or one feature per code."""
    name = f"category{position}"
    encoded = writer.node(
        "LabelEncoder",
        [column],
        f"{name}/code",
        domain="ai.onnx.ml",
        keys_strings=list(codes),
        values_floats=[float(code) for code in codes.values()],
        default_float=float(UNKNOWN),
    )
    if not onehot:
        return encoded
    every = writer.constant(f"{name}/codes", [np.arange(len(codes) + 1)], np.float32)
    return writer.cast(writer.node("Equal", [encoded, every], f"{name}/hits"), f"{name}/onehot")
