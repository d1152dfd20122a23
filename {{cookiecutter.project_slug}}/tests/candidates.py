"""Servables with held-out rows that ask for promotion; what is wrong with one is chosen by the test."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet
from omegaconf import OmegaConf
from onnx import TensorProto, helper, numpy_helper

from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.ports import Version
from {{ cookiecutter.project_slug }}.promotion.case import Case, Incumbent
from {{ cookiecutter.project_slug }}.schemas.resolved import config_digest, read_resolved

from .configs import PROJECT
from .servables import CITY, LEVELS, expected, write_servable

SPLIT = {"method": "hash", "by": None, "validation": 0.1, "heldout": 0.2}
ROWS = 200


def _resolved() -> str:
    """The text of the default training's configuration, as a run keeps it."""
    with hydra.initialize_config_dir(str(PROJECT / "config"), version_base="1.3"):
        container = OmegaConf.to_container(hydra.compose("train"), resolve=True)
    return OmegaConf.to_yaml(OmegaConf.create(container))


CONFIG = _resolved()
PROVENANCE = {
    "commit": "c" * 40,
    "dirty": False,
    "lock": "f" * 64,
    "data": "d" * 64,
    "config": config_digest(read_resolved(CONFIG)),
}


def records(count: int = ROWS, seed: int = 0) -> list[dict[str, Any]]:
    """Rows as `tests.servables` has them, without gaps."""
    draw = np.random.default_rng(seed)
    return [
        {
            "age": float(draw.uniform(18, 90)),
            "rooms per house": int(draw.integers(1, 12)),
            "is.new": bool(draw.random() < 0.5),
            "seen at": float(draw.uniform(1.5e9, 1.7e9)),
            CITY: str(draw.choice(list(LEVELS)[:4])),
            "history": draw.normal(0, 5, 3).tolist(),
            "income": float(draw.exponential(4)),
            "id": f"a-{number}",
        }
        for number in range(count)
    ]


def write_candidate(
    folder: Path,
    *,
    bias: float = 0.0,
    name: str = "house",
    contract: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
    missing: Mapping[str, bool] | None = None,
    rows: Sequence[Mapping[str, Any]] | None = None,
    answers_off_by: float = 0.0,
    key: bool = True,
    keep: int | None = None,
    turns: int = 0,
    extra: Mapping[str, bytes] | None = None,
) -> Path:
    """A servable of `price` with held-out rows; the truth is the answer of bias 0 and some noise.

    Args:
        folder: the directory to make.
        bias: how far every answer is from the truth.
        name: the contract's name.
        contract: fields of the contract to replace.
        provenance: fields of its provenance to replace.
        missing: by column, whether a value may be missing.
        rows: the held-out rows.
        answers_off_by: how far the kept predictions are from the graph's own.
        key: whether the contract has the key `id`.
        keep: how many of the held-out rows are written.
        turns: of a loop in the graph that changes nothing, and takes a microsecond or two each.
        extra: files beside the others, in the contract's digests as they are.
    """
    write_servable(folder, name=name, bias=bias)
    given = [dict(row) for row in (records() if rows is None else rows)]
    noise = np.sin([[1e3 * row["age"]] for row in given])  # the same for the same row, whatever stands before it
    truth = expected(given)["price_prediction"] + 7 * noise
    engine = Engine(folder)
    columns = {column.name: [row[column.name] for row in given] for column in engine.contract.inputs}
    answers = engine.run(columns)["price_prediction"][:, 0].astype(np.float64) + answers_off_by
    kept = {"id": [row["id"] for row in given], **columns, "price": truth[:, 0], "price_prediction": answers}
    pyarrow.parquet.write_table(pa.table(kept).slice(0, keep), folder / "heldout.parquet")
    (folder / "reference.json").write_text("{}", encoding="utf-8")
    if turns:
        _slow_down(folder / "model.onnx", turns)
    for file, content in (extra or {}).items():
        (folder / file).write_bytes(content)
    document = json.loads((folder / "contract.json").read_text(encoding="utf-8"))
    document |= {"split": SPLIT, "opsets": {"ai.onnx": 20}, **(contract or {})}
    document["provenance"] = PROVENANCE | dict(provenance or {})
    document["columns"] = [column for column in document["columns"] if key or column["role"] != "key"]
    for column in document["columns"]:
        column["missing"] = (missing or {}).get(column["name"], column["missing"])
    files = [path for path in sorted(folder.iterdir()) if path.name != "contract.json"]
    document["digests"] = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    document["digests"] |= (contract or {}).get("digests", {})
    (folder / "contract.json").write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return folder


def _slow_down(path: Path, turns: int) -> None:
    """Have a graph of `price` go through a loop that adds 0 to 0 so many times, before it adds that to the answer."""
    model, value = onnx.load(path), helper.make_tensor_value_info
    scalar, flag = (TensorProto.FLOAT, []), (TensorProto.BOOL, [])
    body = helper.make_graph(
        [helper.make_node("Identity", ["goes"], ["goes on"]), helper.make_node("Add", ["sum", "nought"], ["next"])],
        "turn",
        [value("turn", TensorProto.INT64, []), value("goes", *flag), value("sum", *scalar)],
        [value("goes on", *flag), value("next", *scalar)],
    )
    (last,) = [node for node in model.graph.node if "price_prediction" in node.output]
    last.output[0] = "quick"
    model.graph.node.extend(
        [
            helper.make_node("Loop", ["turns", "", "nought"], ["summed"], body=body),
            helper.make_node("Add", ["quick", "summed"], ["price_prediction"]),
        ]
    )
    constants = {"turns": np.array(turns), "nought": np.array(0, np.float32)}
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
    path.write_bytes(model.SerializeToString())


def as_model(folder: Path) -> Path:
    """The servable as the registry keeps it: with MLflow's two flavours, in a folder beside it."""
    from mlflow.models import Model

    from {{ cookiecutter.project_slug }}.integrations import mlflow_flavor

    path = folder.with_name(f"{folder.name}-model")
    mlflow_flavor.save_model(str(path), Model(), str(folder))
    return path


def version(number: str = "2", **tags: str) -> Version:
    """A version of `house` whose tags agree with the provenance above."""
    facts = {"data.sha256": PROVENANCE["data"], "git.commit": PROVENANCE["commit"], **tags}
    return Version("house", number, "run", (), {key: str(value) for key, value in facts.items()})


def case(candidate: Path, incumbent: Path | None = None, **others: Any) -> Case:
    """The candidate as version 2, against the incumbent as version 1."""
    held = None if incumbent is None else Incumbent(version("1"), Engine(incumbent))
    asks = Engine(candidate)
    values: dict[str, Any] = {
        "version": version(**{"contract.sha256": asks.digest}),
        "run_status": "FINISHED",
        "new_major": False,
        "config": CONFIG,
    }
    return Case(**({"candidate": asks, "incumbent": held} | values | others))
