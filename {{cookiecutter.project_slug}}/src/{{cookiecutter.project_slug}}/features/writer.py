"""Collects the nodes and constants of a graph, under names that no column can have."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET, ML_OPSET, IR_VERSION = 18, 3, 10
"""Of every part of a servable's graph; parts of different versions do not merge."""
PREFIX = "servable/"
"""Of every name inside the graph, since its inputs are named as the columns."""


class GraphWriter:
    """Collects nodes and constants under prefixed names."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, values: Any, dtype: type = np.float64) -> str:
        """Add a constant and return its name."""
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), PREFIX + name))
        return PREFIX + name

    def node(self, kind: str, inputs: list[str], name: str, *, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        output = PREFIX + name
        self.nodes.append(helper.make_node(kind, inputs, [output], name=f"{output}#", domain=domain, **attributes))
        return output

    def cast(self, source: str, name: str) -> str:
        """Cast to float32."""
        return self.node("Cast", [source], name, to=TensorProto.FLOAT)


def opset_imports() -> list[onnx.OperatorSetIdProto]:
    """The operator sets of every part."""
    return [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
