"""The gate on security: what a version's directory holds, and what would run when somebody loads it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ..inference import wire
from ..ports import UserError
from ..schemas.contract import CONTRACT_FILE, CONTRACT_TAG, GRAPH_FILE
from .case import Case, Verdict
from .pickles import OpaqueError, is_pickle

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TensorProto

MODEL_FILE = "MLmodel"
REGISTRY_FILES = {MODEL_FILE, "conda.yaml", "python_env.yaml", "requirements.txt", "registered_model_meta"}
"""What MLflow writes beside the servable's files."""
LOADER = re.compile(r"servable_wire_[0-9a-f]{16}")
DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}
"""Of the operators that ONNX itself defines."""


@dataclass(frozen=True)
class SecurityGate:
    """Nothing in the version's directory runs foreign code, and nothing in it is unaccounted for.

    The graph has standard operators alone and all its weights within; every file is in the contract's digests, which
    the engine has compared when it loaded them, or belongs to the registry's format; none is a pickle; the code that
    comes along is this project's wire encoding, byte for byte.
    """

    def check(self, case: Case) -> Verdict:
        """Names the first thing that is wrong; reads the files and runs none."""
        engine, folder = case.candidate, case.candidate.folder
        files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if not path.is_dir()}
        for name, path in files.items():
            if path.is_symlink():
                raise UserError(f"{name} is a link: a version holds files; train again")
            try:
                found = is_pickle(name, path.read_bytes())
            except OpaqueError as error:
                raise UserError(f"{name} cannot be looked into ({error}): train again without it") from None
            if found:
                raise UserError(f"{name} is a pickle, which runs code when it is loaded: train again without it")
        if case.version.tags.get(CONTRACT_TAG) != engine.digest:
            raise UserError(f"the version's tag {CONTRACT_TAG} is not the sha256 of its contract: train again")
        loader = _check_flavours(files)
        code = _check_code(files, loader)
        known = {*engine.contract.digests, *REGISTRY_FILES, CONTRACT_FILE, *code}
        foreign = [name for name in files if name not in known]
        if foreign:
            raise UserError(f"{foreign[0]} is neither in the contract nor of MLflow's format: train again without it")
        count = _check_graph(folder / GRAPH_FILE)
        return Verdict(True, f"{len(files)} files are accounted for, none is a pickle; {count} standard operators")


def _check_flavours(files: dict[str, Path]) -> str:
    """The name of the module that loads the version as a pyfunc."""
    if MODEL_FILE not in files:
        raise UserError(f"there is no {MODEL_FILE}: register the version with this project's code")
    try:
        document: Any = yaml.safe_load(files[MODEL_FILE].read_text(encoding="utf-8"))
        flavours = document["flavors"]
        onnx, pyfunc = flavours["onnx"], flavours["python_function"]
        loader = str(pyfunc["loader_module"])
        served = onnx["data"], pyfunc["data"], onnx["code"], pyfunc["code"]
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError):
        raise UserError(f"{MODEL_FILE} does not have the flavours onnx and python_function: train again") from None
    others = sorted(set(flavours) - {"onnx", "python_function"})
    if others:
        raise UserError(f"{MODEL_FILE} has the flavour {others[0]} too, which nobody has checked: train again")
    if not LOADER.fullmatch(loader) or served != (GRAPH_FILE, ".", "code", "code"):
        raise UserError(f"{MODEL_FILE} loads something else than the graph by its wire encoding: train again")
    return loader


def _check_code(files: dict[str, Path], loader: str) -> set[str]:
    """Names of the files of code, which must be this project's own."""
    own = {f"code/{loader}/{path.name}": path for path in Path(wire.__file__).parent.glob("*.py")}
    for name, path in own.items():
        if name not in files or files[name].read_bytes() != path.read_bytes():
            hint = "promote it with the code that trained it, or train again"
            raise UserError(f"{name} is not this project's wire encoding: {hint}")
    return set(own)


def _check_graph(path: Path) -> int:
    """How many operators the graph has, all of them ONNX's own and all of its weights in the file."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    domains = [opset.domain for opset in model.opset_import] + [function.domain for function in model.functions]
    nodes: list[NodeProto] = [node for function in model.functions for node in _nodes(function)]
    nodes += _nodes(model.graph)
    for domain in [*domains, *(node.domain for node in nodes)]:
        if domain not in DOMAINS:
            raise UserError(f"{GRAPH_FILE} uses the domain {domain!r}: only operators of ONNX itself are served")
    for node in nodes:
        if not onnx.defs.has(node.op_type, "" if node.domain == "ai.onnx" else node.domain):
            raise UserError(f"{GRAPH_FILE} uses {node.op_type}, which is not an operator of ONNX")
    for tensor in _tensors(model.graph, nodes):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise UserError(f"{GRAPH_FILE} keeps {tensor.name or 'a constant'} in another file: export it whole")
    return len(nodes)


def _nodes(graph: "GraphProto") -> "Iterator[NodeProto]":
    """All nodes of a graph or function, and of the graphs within them."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)


def _tensors(graph: "GraphProto", nodes: "list[NodeProto]") -> "Iterator[TensorProto]":
    """All weights and constants: of the graph, and of the attributes of its nodes."""
    graphs = [graph, *(inner for node in nodes for a in node.attribute for inner in (a.g, *a.graphs))]
    sparse = [tensor for inner in graphs for tensor in inner.sparse_initializer]
    for inner in graphs:
        yield from inner.initializer
    for node in nodes:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            sparse += [attribute.sparse_tensor, *attribute.sparse_tensors]
    for tensor in sparse:
        yield from (tensor.values, tensor.indices)
