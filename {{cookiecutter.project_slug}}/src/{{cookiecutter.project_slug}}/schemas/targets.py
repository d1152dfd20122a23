"""Checks the arguments beside a `_target_` of this project by reading its source, without importing it."""

import ast
import difflib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..ports import UserError

PACKAGE = __package__.split(".")[0]


def check_target(node: Mapping[str, Any], where: str) -> None:
    """Check one `_target_` of the project against the signature of its class or function.

    Targets of other packages are left to the call itself, since only importing them tells.

    Raises:
        UserError: the target does not exist, an argument is unknown, or a required one is missing.
    """
    target = str(node["_target_"])
    if target.split(".")[0] != PACKAGE:
        return
    module, _, name = target.rpartition(".")
    definition = _definition(module, name)
    if definition is None:
        raise UserError(f"config: {where}._target_ names {target}, which does not exist")
    arguments, required, open_ended = _signature(definition)
    given = {key for key in node if not key.startswith("_")}
    unknown = sorted(given - arguments)
    if unknown and not open_ended:
        close = difflib.get_close_matches(unknown[0], sorted(arguments), n=1)
        hint = f"did you mean {close[0]}?" if close else f"it takes {', '.join(sorted(arguments))}"
        raise UserError(f"config: {where}.{unknown[0]} is not an argument of {target}; {hint}")
    lacking = sorted(required - given)
    if lacking:
        raise UserError(f"config: {where}.{lacking[0]} is missing: {target} needs it")


def _definition(module: str, name: str) -> ast.ClassDef | ast.FunctionDef | None:
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:
        return None
    if spec is None or spec.origin is None:
        return None
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return node
    return None


def _signature(definition: ast.ClassDef | ast.FunctionDef) -> tuple[set[str], set[str], bool]:
    """Names of the arguments, of those without a default, and whether any other is taken too."""
    if isinstance(definition, ast.ClassDef):
        methods = [n for n in definition.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
        if not methods:  # a dataclass: its annotated fields
            fields = [n for n in definition.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]
            names = {n.target.id: n.value for n in fields if isinstance(n.target, ast.Name)}
            return set(names), {name for name, default in names.items() if default is None}, False
        (function,) = methods
    else:
        function = definition
    arguments = function.args
    positional = [a.arg for a in (*arguments.posonlyargs, *arguments.args) if a.arg != "self"]
    required = set(positional[: len(positional) - len(arguments.defaults)])
    required |= {a.arg for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is None}
    return {*positional, *(a.arg for a in arguments.kwonlyargs)}, required, arguments.kwarg is not None
