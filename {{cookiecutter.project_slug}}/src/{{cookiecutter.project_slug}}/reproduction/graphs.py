"""Two graphs weight by weight: initializers, and the attributes in which tree ensembles keep theirs."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, numpy_helper


@dataclass(frozen=True)
class Weights:
    """The largest difference within one array of weights."""

    name: str
    absolute: float
    relative: float
    """To the greatest magnitude in the recorded array."""


@dataclass(frozen=True)
class GraphComparison:
    """How a refitted graph differs from the recorded one."""

    same_bytes: bool
    structure: str | None = None
    """The first thing in which they are not the same computation; None where weights alone differ."""
    weights: tuple[Weights, ...] = field(default=())
    """The arrays that differ, the worst first."""

    @property
    def relative(self) -> float:
        """The largest relative difference; infinite where the structure differs."""
        return float("inf") if self.structure else max((one.relative for one in self.weights), default=0.0)

    def __str__(self) -> str:
        if self.same_bytes:
            return "the same bytes"
        if self.structure:
            return f"not the same computation: {self.structure}"
        if not self.weights:
            return "the same weights in other bytes"
        worst, many = self.weights[0], len(self.weights)
        more = f", and {many - 1} more" if many > 1 else ""
        return f"weights differ by up to {worst.relative:.3g} of the greatest ({worst.name}{more})"


class StructureError(Exception):
    """Two graphs are not the same computation; the message says where."""


def compare_graphs(recorded: bytes, refitted: bytes) -> GraphComparison:
    """Compare two serialised ONNX models.

    Args:
        recorded: bytes of the registered graph.
        refitted: bytes of the new one.
    """
    if recorded == refitted:
        return GraphComparison(same_bytes=True)
    one, other = onnx.load_model_from_string(recorded), onnx.load_model_from_string(refitted)
    try:
        found = [weights for weights in _of_models(one, other) if weights.absolute > 0]
    except StructureError as error:
        return GraphComparison(same_bytes=False, structure=str(error))
    return GraphComparison(False, None, tuple(sorted(found, key=lambda weights: -weights.relative)))


def _of_models(one: onnx.ModelProto, other: onnx.ModelProto) -> Iterator[Weights]:
    mine, theirs = ({entry.domain: entry.version for entry in model.opset_import} for model in (one, other))
    if mine != theirs:
        raise StructureError(f"operator sets {mine} and {theirs}")
    yield from _of_graphs(one.graph, other.graph)


def _of_graphs(one: GraphProto, other: GraphProto) -> Iterator[Weights]:
    for kind in ("input", "output"):
        mine, theirs = list(getattr(one, kind)), list(getattr(other, kind))
        if mine != theirs:
            raise StructureError(f"the graph's {kind}s are others")
    tensors, others = ({tensor.name: tensor for tensor in graph.initializer} for graph in (one, other))
    if set(tensors) != set(others):
        raise StructureError(f"one graph alone has the weights {min(set(tensors) ^ set(others))!r}")
    for name, tensor in tensors.items():
        yield _of_tensors(name, tensor, others[name])
    if len(one.node) != len(other.node):
        raise StructureError(f"{len(one.node)} and {len(other.node)} nodes")
    for mine, theirs in zip(one.node, other.node, strict=True):
        yield from _of_nodes(mine, theirs)


def _of_nodes(one: NodeProto, other: NodeProto) -> Iterator[Weights]:
    where = one.name or one.op_type
    kinds = [(node.domain, node.op_type, list(node.input), list(node.output)) for node in (one, other)]
    if kinds[0] != kinds[1]:
        raise StructureError(f"the node {where!r} is another")
    mine, theirs = ({attribute.name: attribute for attribute in node.attribute} for node in (one, other))
    if set(mine) != set(theirs):
        raise StructureError(f"the node {where!r} has other attributes")
    for name, attribute in mine.items():
        yield from _of_attributes(f"{where}.{name}", attribute, theirs[name])


def _of_attributes(name: str, one: AttributeProto, other: AttributeProto) -> Iterator[Weights]:
    if one.type == other.type == AttributeProto.FLOATS:
        yield _of_arrays(name, np.array(one.floats, np.float32), np.array(other.floats, np.float32))
    elif one.type == other.type == AttributeProto.FLOAT:
        yield _of_arrays(name, np.array([one.f], np.float32), np.array([other.f], np.float32))
    elif one.type == other.type == AttributeProto.TENSOR:
        yield _of_tensors(name, one.t, other.t)
    elif one.type == other.type == AttributeProto.GRAPH:
        yield from _of_graphs(one.g, other.g)
    elif one != other:  # the nodes of a tree, names of classes, axes
        raise StructureError(f"{name} is another")


def _of_tensors(name: str, one: TensorProto, other: TensorProto) -> Weights:
    return _of_arrays(name, numpy_helper.to_array(one), numpy_helper.to_array(other))


def _of_arrays(name: str, one: np.ndarray, other: np.ndarray) -> Weights:
    if one.dtype != other.dtype or one.shape != other.shape:
        raise StructureError(f"{name} is {one.dtype}{list(one.shape)} and {other.dtype}{list(other.shape)}")
    if one.dtype.kind != "f":
        if not np.array_equal(one, other):
            raise StructureError(f"{name} has other values")
        return Weights(name, 0.0, 0.0)
    absolute, scale = largest_difference(one, other), float(np.nanmax(np.abs(one), initial=0.0))
    return Weights(name, absolute, relative_to(scale, absolute))


def largest_difference(one: np.ndarray, other: np.ndarray) -> float:
    """The largest absolute difference of two arrays; two that are both NaN or the same infinity do not differ."""
    mine, theirs = np.asarray(one, np.float64), np.asarray(other, np.float64)
    same = (mine == theirs) | (np.isnan(mine) & np.isnan(theirs))
    with np.errstate(invalid="ignore"):
        off = np.where(same, 0.0, np.abs(mine - theirs))
    return float(np.where(np.isnan(off), np.inf, off).max(initial=0.0))


def relative_to(scale: float, absolute: float) -> float:
    """A difference as a share of a magnitude; infinite where there is a difference from nothing."""
    if absolute == 0:
        return 0.0
    return absolute / abs(scale) if scale else float("inf")
