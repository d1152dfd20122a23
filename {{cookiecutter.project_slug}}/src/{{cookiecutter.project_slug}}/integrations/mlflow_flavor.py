"""A servable as one MLmodel with two flavours: `onnx`, the graph, and `python_function`, loaded by the wire encoding.

MLflow calls `save_model` of this module through `mlflow.models.Model.log(flavor=...)`.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..inference import wire
from ..schemas.contract import GRAPH_FILE, Contract

REQUIREMENTS = ("mlflow-skinny", "numpy", "onnxruntime", "pandas")
"""What the pyfunc flavour needs, pinned to what trained it."""


def save_model(path: str, mlflow_model: Any, servable: str) -> None:
    """Write the servable's files and the two flavours to a model's directory.

    The signature has outputs but no inputs: typed inputs refuse int64, Int64 and categories, untyped ones cost five
    times the call. The wire encoding goes under a name that holds the hash of its files, since two models in one
    process share `sys.modules`.
    """
    import mlflow
    import onnx
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, Schema

    source, target = Path(servable), Path(path)
    code = {path.name: path.read_bytes() for path in sorted(Path(wire.__file__).parent.glob("*.py"))}
    loader = f"servable_wire_{_digest(code)[:16]}"
    contract = Contract.read(source)
    columns = [ColSpec(AnyType(), name) for name in _outputs(contract)]
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / loader
        package.mkdir()
        for name, content in code.items():
            (package / name).write_bytes(content)
        mlflow.onnx.save_model(
            onnx.load(source / GRAPH_FILE),
            path,
            mlflow_model=mlflow_model,
            code_paths=[str(package)],
            pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
            save_as_external_data=False,
            onnx_execution_providers=["CPUExecutionProvider"],
            signature=ModelSignature(outputs=Schema(columns)),
        )
    shutil.copytree(source, target, dirs_exist_ok=True)  # the graph's own bytes, and the files beside it
    mlflow_model.flavors["python_function"].update(loader_module=loader, data=".")
    mlflow_model.save(str(target / "MLmodel"))


def _digest(code: Mapping[str, bytes]) -> str:
    """One hash over names and contents, so that a line that moves to another file counts too."""
    digest = hashlib.sha256()
    for name, content in code.items():
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _outputs(contract: Contract) -> list[str]:
    names = []
    for target in contract.targets:
        names.append(target.prediction)
        names += [f"{target.probabilities}_{label}" for label in target.classes or ()]
    return names
