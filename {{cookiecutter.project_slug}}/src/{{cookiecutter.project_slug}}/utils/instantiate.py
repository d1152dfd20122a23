"""The one place where a `_target_` of the configuration becomes an object."""

from collections.abc import Mapping
from typing import Any

from ..ports import UserError

PACKAGE = __package__.split(".")[0]
ALLOWED = (PACKAGE, "lightgbm", "sklearn", "xgboost")
"""Packages whose classes the configuration may name; add a library here when a model needs it."""


def build(node: Mapping[str, Any], **arguments: Any) -> Any:
    """Import what `_target_` names and call it with the node's other keys and `arguments`.

    Nested nodes are handed over as they are.

    Raises:
        UserError: the target is not importable, not allowed, or does not take the arguments.
    """
    from hydra.utils import get_class

    target = str(node["_target_"])
    if target.split(".")[0] not in ALLOWED:
        raise UserError(
            f"{target} is not of {', '.join(ALLOWED)}; utils/instantiate.py says which packages may be named"
        )
    try:
        cls = get_class(target)
    except Exception as error:
        raise UserError(f"cannot import {target}: {str(error).splitlines()[0]}") from None
    values = {key: value for key, value in node.items() if not key.startswith("_")} | arguments
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:
        raise UserError(f"{target}: {str(error).splitlines()[0]}") from None
