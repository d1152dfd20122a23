"""Held-out rows of a candidate that the incumbent was not fitted on either, and that it answers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from ..evaluation.heldout import read_rows
from ..inference.engine import Engine
from ..inference.wire import Gathered
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


def answered(engine: Engine, columns: Mapping[str, np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Those of the rows that an engine answers, as a mask `[N]`.

    A candidate may take what the incumbent refuses, such as a gap in a column that had none before.

    Raises:
        InputError: the engine needs a column that the rows lack.
    """
    refused = Gathered()
    engine.run_encoded(engine.encode(columns, refused), refused)
    mask = rows.copy()
    mask[list(refused.reasons)] = False
    return mask


def _hashed(contract: Contract) -> tuple[Any, ...]:
    """What the hash of a row depends on: the columns in their order, their kinds, and how their text is read."""
    tokens = sorted(contract.missing_tokens)
    if contract.split.get("by"):
        return contract.split["by"], contract.split.get("kinds"), tokens
    names = [key.name for key in contract.keys]
    names = names or sorted(column.name for column in contract.inputs if column.source is None)
    kinds = {column.name: column.kind for column in contract.columns}
    return names, [kinds[name] for name in names], tokens


def _share(split: dict[str, Any]) -> float:
    return float(split["heldout"])


def _identities(of: Engine, other: Engine) -> list[tuple[str, ...]]:
    """Each held-out row by all that both sides know of it: keys, which may repeat, raw inputs and the target."""
    ours, theirs = (
        {column.name for column in engine.contract.columns if column.source is None} for engine in (of, other)
    )
    names = [*sorted(ours & theirs), of.contract.target.name]
    rows = read_rows(of.folder)
    return list(zip(*(map(str, rows[name].tolist()) for name in names), strict=True))
