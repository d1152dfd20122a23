"""Which graphs the onnxruntime of a Triton release can load."""

from typing import TYPE_CHECKING

from ...ports import UserError

if TYPE_CHECKING:
    from onnx import ModelProto

RELEASES = {"26.05": "1.24.4", "26.08": "1.27.0"}
"""onnxruntime of each release: `ort_version` in `build.py` of triton-inference-server/server, branch r<release>."""
LIMITS = {
    "1.24.4": {"ai.onnx": 25, "ai.onnx.ml": 5, "IR": 13},
    "1.27.0": {"ai.onnx": 26, "ai.onnx.ml": 5, "IR": 13},
}
"""The newest opsets and IR that an onnxruntime loads, found by loading one-node graphs into its Python package."""


def check(graph: "ModelProto", release: str) -> None:
    """Refuse a graph that the release cannot load.

    Raises:
        UserError: its opset or IR is too new, or the release is not in the table.
    """
    if release not in RELEASES:
        known = ", ".join(sorted(RELEASES))
        raise UserError(
            f"Triton {release!r} is not known here (known: {known}): choose release=, or add it to {__name__}"
        )
    runtime = RELEASES[release]
    used = {opset.domain or "ai.onnx": opset.version for opset in graph.opset_import} | {"IR": graph.ir_version}
    for what, limit in LIMITS[runtime].items():
        if used.get(what, 0) > limit:
            raise UserError(
                f"the graph's {what} {used[what]} is too new for Triton {release}, whose onnxruntime {runtime} takes "
                f"{limit}: deploy a newer release, or export with an older one"
            )
