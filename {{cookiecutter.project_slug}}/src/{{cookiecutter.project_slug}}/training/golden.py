"""Golden rows: inputs with the training framework's answers, which every place reproduces before it takes traffic."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..data.table import Table
from ..schemas.contract import Column, Contract
from .fit import Fitted

LEVELS = 3
"""Most frequent levels of each category that the golden rows cover."""
UNKNOWN = "☂ never seen in training"


def choose(fitted: Fitted, heldout: Table, worst: np.ndarray, rows: int, seed: int) -> dict[str, np.ndarray]:
    """Inputs of golden rows, `[M, 1]` by column name.

    Held-out rows, the ones with the largest disagreement first, then copies of them edited so that they cover: the most
    frequent levels of every category, an unknown level, a missing value in every column that may miss, and the extremes
    of every number.

    Args:
        fitted: says which columns there are.
        heldout: the held-out rows.
        worst: how far each of them is off, `[N]`.
        rows: number of golden rows at most, 64 or more; where there are more edits than rows, a row takes several, each
            in another column.
        seed: decides which held-out rows are taken.
    """
    inputs = [column for column in fitted.columns if column.role != "key"]
    order = np.random.default_rng(seed).permutation(len(heldout))
    first = [int(worst.argmax()), *order[: rows // 4].tolist()]
    edits = [(column.name, value) for column in inputs for value in _edits(column)]
    places = min(len(edits), rows - len(first))
    copies = np.resize(order, places)
    fill = np.resize(order[rows // 4 :], max(0, min(64, rows) - len(first) - places))
    taken = np.concatenate([first, copies, fill]).astype(np.int64)
    chosen = {column.name: heldout.columns[column.name][taken].copy() for column in inputs}
    for position, (name, value) in enumerate(edits):
        chosen[name][len(first) + position % places, 0] = value
    return chosen


def _edits(column: Column) -> list[float | str]:
    """What golden rows are to hold in a column."""
    if column.kind == "category":
        gap: list[float | str] = [""] if column.missing else []
        return [*gap, UNKNOWN, *(column.categories or ())[:LEVELS]]
    return [*([np.nan] if column.missing else []), *(column.range or ())]


def write(path: Path, inputs: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray], contract: Contract) -> None:
    """As JSON: columns of inputs (null for missing) and of outputs, one list per row."""
    names = {column.name: column.kind for column in contract.inputs}
    document = {
        "inputs": {name: [_plain(cell, kind) for cell in inputs[name][:, 0].tolist()] for name, kind in names.items()},
        "outputs": {name: np.asarray(array).tolist() for name, array in outputs.items()},
    }
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _plain(value: float | str, kind: str) -> float | str | bool | int | None:
    if value == "" or value != value:
        return None
    if kind == "boolean":
        return bool(value)
    return int(value) if kind == "integer" else value
