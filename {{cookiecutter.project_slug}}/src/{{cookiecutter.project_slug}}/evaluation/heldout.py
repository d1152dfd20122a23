"""The held-out rows that a servable carries with it."""

from pathlib import Path

import numpy as np
import pyarrow.parquet

from ..schemas.contract import Contract

HELDOUT_FILE = "heldout.parquet"


def read_heldout(folder: Path, contract: Contract) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Inputs `[N]` by column name, and the target `[N]`."""
    rows = read_rows(folder)
    return {column.name: rows[column.name] for column in contract.inputs}, rows[contract.target.name]


def read_predictions(folder: Path, contract: Contract) -> dict[str, np.ndarray]:
    """The training framework's predictions for these rows: outputs `[N, width]` by name."""
    rows, target = read_rows(folder), contract.target
    outputs = {target.prediction: rows[target.prediction][:, None]}
    if target.classes is not None:
        columns = [rows[f"{target.probabilities}_{label}"] for label in target.classes]
        outputs[target.probabilities] = np.stack(columns, axis=1)
    return outputs


def read_rows(folder: Path) -> dict[str, np.ndarray]:
    """Every column `[N]`: keys, inputs, target, predictions."""
    table = pyarrow.parquet.read_table(folder / HELDOUT_FILE)
    return {name: table[name].to_numpy() for name in table.column_names}
