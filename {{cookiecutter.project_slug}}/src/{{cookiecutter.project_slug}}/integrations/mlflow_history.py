"""What a version's tag `history` tells: every move of an alias to it or from it."""

import datetime
import json
from collections.abc import Mapping
from typing import Any

from ..ports import Mover

HISTORY_TAG = "history"
"""A JSON list; of each move alias, at, by, before (or removed), and where known pipeline, commit, report, release."""
AGAIN = ("at", "pipeline", "report")
"""What differs when a move that was killed is asked for again."""


def read_history(tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """The moves of aliases that a version's tags tell of; none where the tag was written by another hand."""
    try:
        history = json.loads(tags.get(HISTORY_TAG, "[]"))
    except json.JSONDecodeError:
        return []
    return history if isinstance(history, list) and all(isinstance(move, dict) for move in history) else []


def extended(tags: Mapping[str, str], alias: str, by: Mover, what: Mapping[str, object]) -> str:
    """The tag with one move more; one that was written and then killed before the move is replaced.

    Args:
        tags: of the version, as they are now.
        alias: which is to move.
        by: who moves it.
        what: `before`, or `removed`, and what else there is to say; None is left out, but for `before`.
    """
    history = read_history(tags)
    who = {"by": by.by, "pipeline": by.pipeline, "commit": by.commit}
    move = {"alias": alias, **who, **what}
    move = {key: value for key, value in move.items() if value is not None or key == "before"}
    if history and _kept(history[-1]) == _kept(move):
        history.pop()
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return json.dumps([*history, move | {"at": now}])


def _kept(move: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in move.items() if key not in AGAIN}
