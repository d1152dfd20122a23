"""Held-out rows of a candidate that the incumbent was not fitted on either."""

from datetime import datetime
from typing import Any

import numpy as np

from ..evaluation.heldout import read_rows
from ..inference.engine import Engine
from ..schemas.contract import Contract


def unseen_by_both(candidate: Engine, incumbent: Engine) -> np.ndarray:
    """Mask `[N]` over the candidate's held-out rows.

    The same rule of splitting holds out the same rows, however much the table has grown between the two. Rules that
    differ prove nothing: then the rows count that both servables hold out by name.
    """
    rows = read_rows(candidate.folder)
    count = len(next(iter(rows.values())))
    ours, theirs = candidate.contract.split, incumbent.contract.split
    if ours.get("method") == theirs.get("method") == "hash":
        if _hashed(candidate.contract) == _hashed(incumbent.contract) and _share(ours) <= _share(theirs):
            return np.ones(count, bool)
    elif ours.get("method") == theirs.get("method") == "time" and ours["column"] == theirs["column"]:
        before, now = (datetime.fromisoformat(str(split["heldout_from"])) for split in (theirs, ours))
        if before <= now:
            return np.ones(count, bool)
        if ours["column"] in rows:
            later: np.ndarray = rows[str(ours["column"])] >= before.timestamp()
            return later
    known = set(_identities(incumbent, candidate))
    return np.array([row in known for row in _identities(candidate, incumbent)], bool)


def _hashed(contract: Contract) -> tuple[Any, ...]:
    """What the hash of a row depends on: the columns in their order, and how their text is read."""
    names: list[str] = []
    if not contract.split.get("by"):
        names = [key.name for key in contract.keys]
        names = names or sorted(column.name for column in contract.inputs if column.source is None)
    kinds = {column.name: column.kind for column in contract.columns}
    return contract.split.get("by"), [(name, kinds[name]) for name in names], sorted(contract.missing_tokens)


def _share(split: dict[str, Any]) -> float:
    return float(split["heldout"])


def _identities(of: Engine, other: Engine) -> list[tuple[str, ...]]:
    """Each held-out row by what both sides know of it: its keys, or else all common inputs and the target."""
    names = sorted({key.name for key in of.contract.keys} & {key.name for key in other.contract.keys})
    if not names:
        theirs = {column.name for column in other.contract.inputs}
        names = sorted(column.name for column in of.contract.inputs if column.name in theirs)
        names.append(of.contract.target.name)
    rows = read_rows(of.folder)
    return list(zip(*(map(str, rows[name].tolist()) for name in names), strict=True))
