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
        rows: number of golden rows at most; edits that find no place are left out, those of late columns first.
        seed: decides which held-out rows are taken.
    """
    inputs = [column for column in fitted.columns if column.role != "key"]
    order = np.random.default_rng(seed).permutation(len(heldout))
    first = [int(worst.argmax()), *order[: rows // 4].tolist()]
    edits = _edits(inputs)[: rows - len(first)]
    copies = np.resize(order, len(edits)) if edits else order[:0]
    fill = np.resize(order[rows // 4 :], max(0, min(64, rows) - len(first) - len(edits))) if len(order) else order
    taken = np.concatenate([first, copies, fill]).astype(np.int64)
    chosen = {column.name: heldout.columns[column.name][taken].copy() for column in inputs}
    for position, (name, value) in enumerate(edits, start=len(first)):
        chosen[name][position, 0] = value
    return chosen


def _edits(inputs: list[Column]) -> list[tuple[str, float | str]]:
    """What to write into which column, one edit a row; the kinds of edit take turns, so that none is crowded out."""
    rounds: list[list[tuple[str, float | str]]] = [[], [], [], [], [], []]
    for column in inputs:
        category = column.kind == "category"
        if column.missing:
            rounds[0].append((column.name, "" if category else np.nan))
        if category:
            rounds[1].append((column.name, UNKNOWN))
            for place, level in enumerate((column.categories or ())[:LEVELS]):
                rounds[2 + place].append((column.name, level))
        elif column.range is not None:
            rounds[1].append((column.name, column.range[0]))
            rounds[2].append((column.name, column.range[1]))
    return [edit for part in rounds for edit in part]


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
