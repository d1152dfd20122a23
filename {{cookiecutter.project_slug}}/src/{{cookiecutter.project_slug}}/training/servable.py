"""Writes a servable's directory: graph, contract, reference, held-out rows, golden rows, feature tables."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from ..data.table import Table, keys_of, sources_of
from ..evaluation.heldout import HELDOUT_FILE
from ..features.writer import IR_VERSION, ML_OPSET, OPSET
from ..inference.engine import GOLDEN_FILE, Engine
from ..inference.parity import disagreement
from ..inference.wire import InputError, Servable
from ..ports import UserError
from ..schemas.config import TrainConfig
from ..schemas.contract import CONTRACT_FILE, GRAPH_FILE, Contract, Provenance
from ..schemas.data import TimeSplit
from ..schemas.resolved import config_digest
from ..utils.files import replacing, sha256
from ..utils.provenance import Code
from . import golden, reference
from .export import to_bytes
from .fit import Fitted

REFERENCE_FILE = "reference.json"


@dataclass(frozen=True)
class Export:
    """A servable that was written, and how well it agrees with the model that it came from."""

    folder: Path
    contract: Contract
    parity: float
    """The largest disagreement on the held-out rows, as a multiple of the tolerance."""


def export(fitted: Fitted, table: Table, sides: np.ndarray, config: TrainConfig, code: Code, folder: Path) -> Export:
    """Write the servable aside, check it, and rename it to `folder`.

    Raises:
        UnsupportedModelError: the model has no converter.
        UserError: the graph does not reproduce the model on every held-out and golden row.
    """
    heldout = table.take(sides == "heldout")
    predicted = fitted.predict(heldout)
    with replacing(folder) as aside:
        aside.mkdir(parents=True)
        (aside / GRAPH_FILE).write_bytes(to_bytes(fitted))
        contract = _contract(fitted, table, config, code)
        (aside / CONTRACT_FILE).write_text(contract.to_json(), encoding="utf-8")
        servable = Servable(str(aside), config.threads)
        try:
            got = servable.run_encoded({column.name: heldout.columns[column.name] for column in contract.inputs})
        except InputError as error:
            raise UserError(f"the held-out rows: {error}") from None
        off = disagreement(got, predicted, contract.target)
        if (off > 1).any():
            raise UserError(
                f"the exported graph differs from the model on {int((off > 1).sum())} of {len(off)} held-out rows, "
                f"by up to {off.max():.3g} times the tolerance: it is not registered"
            )
        _write_golden(aside, fitted, heldout, off, contract, config)
        _write_heldout(aside / HELDOUT_FILE, servable, heldout, predicted, config)
        train = table.take(sides == "train")
        seen = {column.name: train.columns[column.name][:, 0] for column in contract.inputs}
        target = {contract.target.name: train.columns[contract.target.name][:, 0]}
        reference.write(aside / REFERENCE_FILE, seen | target | servable.flat(fitted.predict(train)))
        for name in {source.table for source in sources_of(config.data).values()}:
            (aside / "feature_tables").mkdir(exist_ok=True)
            shutil.copyfile(
                table.folder / "feature_tables" / f"{name}.parquet", aside / "feature_tables" / f"{name}.parquet"
            )
        files = sorted(path for path in aside.rglob("*") if path.is_file() and path.name != CONTRACT_FILE)
        digests = {path.relative_to(aside).as_posix(): sha256(path) for path in files}
        contract = contract.model_copy(update={"digests": digests})
        (aside / CONTRACT_FILE).write_text(contract.to_json(), encoding="utf-8")
        Engine(aside).check_golden()
    return Export(folder, contract, float(off.max(initial=0.0)))


def _contract(fitted: Fitted, table: Table, config: TrainConfig, code: Code) -> Contract:
    split = config.data.split.model_dump(mode="json")
    if split.get("by"):  # what the hash depends on, for columns that the contract may not hold
        split["kinds"] = [config.data.columns[name].kind for name in split["by"]]
    return Contract(
        name=config.mlflow.model,
        columns=fitted.columns,
        targets=(fitted.target,),
        missing_tokens=config.data.missing_tokens,
        split={key: ",".join(value) if isinstance(value, list) else value for key, value in split.items()},
        opsets={"ai.onnx": OPSET, "ai.onnx.ml": ML_OPSET, "ir": IR_VERSION},
        provenance=Provenance(
            commit=code.commit, dirty=code.dirty, lock=code.lock, data=table.fingerprint, config=config_digest(config)
        ),
    )


def _write_golden(
    folder: Path, fitted: Fitted, heldout: Table, off: np.ndarray, contract: Contract, config: TrainConfig
) -> None:
    rows = golden.choose(fitted, heldout, off, config.evaluation.golden_rows, config.seed)
    answers = fitted.predict(Table(rows, heldout.fingerprint, heldout.folder))
    numbers = [array for array in answers.values() if array.dtype.kind == "f"]
    if not all(np.isfinite(array).all() for array in numbers):
        raise UserError("the model answers a row with a missing or extreme value with no number: set features.impute")
    golden.write(folder / GOLDEN_FILE, rows, answers, contract)


def _write_heldout(
    path: Path, servable: Servable, heldout: Table, predicted: dict[str, np.ndarray], config: TrainConfig
) -> None:
    """Keys, inputs, target, the split's time and the training framework's predictions: gates need no other data."""
    rows = np.arange(len(heldout))
    if len(rows) > config.evaluation.heldout_rows:
        draw = np.random.default_rng(config.seed)
        rows = np.sort(draw.choice(rows, config.evaluation.heldout_rows, replace=False))
    names = [*keys_of(config.data), *(c["name"] for c in servable.document["columns"] if c["role"] != "key")]
    if isinstance(config.data.split, TimeSplit):  # two versions are compared on what lies after the later one's times
        names.append(config.data.split.column)
    columns = {name: heldout.columns[name][rows, 0] for name in [*names, config.data.target]}
    columns |= {name: array[rows] for name, array in servable.flat(predicted).items()}
    pyarrow.parquet.write_table(pa.table(columns), path)
