"""Fits front-ends and runs their graphs, for tests."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime

from {{ cookiecutter.project_slug }}.features import frontend, graph
from {{ cookiecutter.project_slug }}.features.frontend import FrontEnd
from {{ cookiecutter.project_slug }}.schemas.config import FeaturesConfig
from {{ cookiecutter.project_slug }}.schemas.contract import Column


def features(**others: Any) -> FeaturesConfig:
    """`config/features/base.yaml` with other values."""
    values = {
        "include": "__AUTO__",
        "exclude": (),
        "impute": "median",
        "indicators": True,
        "scale": "standard",
        "categories": "codes",
        "max_levels": 10_000,
        "dates": (),
    }
    return FeaturesConfig(**values | others)


def fitted(values: Mapping[str, Sequence[Any]], kinds: Mapping[str, str], config: FeaturesConfig) -> FrontEnd:
    """The front-end that is learnt from some training rows."""
    columns = [Column(name=name, kind=kind) for name, kind in kinds.items()]
    return frontend.fit(feeds(values, kinds), columns, config)


def feeds(values: Mapping[str, Sequence[Any]], kinds: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Columns `[N]` as the graph takes them: "" and NaN are missing."""
    types = {name: object if kind == "category" else np.float64 for name, kind in kinds.items()}
    return {name: np.array(values[name], types[name]).reshape(-1, 1) for name in kinds}


def run(front_end: FrontEnd, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The exported front-end's features `[N]` by name."""
    blob = graph.to_onnx(front_end).SerializeToString()
    session = onnxruntime.InferenceSession(blob, providers=["CPUExecutionProvider"])
    assert {value.name for value in session.get_inputs()} == set(tensors)
    (matrix,) = session.run(None, dict(tensors))
    assert matrix.dtype == np.float32
    assert matrix.shape[1] == len(front_end.names)
    return dict(zip(front_end.names, matrix.T, strict=True))
