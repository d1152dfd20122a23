"""What a version's tag `history` tells: every move of an alias to it or from it."""

import datetime
import json
from collections.abc import Iterable, Mapping
from typing import Any

from ..ports import Mover, Version

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


def extended(
    version: str, tags: Mapping[str, str], alias: str, by: Mover, what: Mapping[str, object], holder: Mapping[str, str]
) -> str:
    """The tag with one move more; one that was written and then killed before the move is replaced.

    Args:
        version: its number.
        tags: of the version, as they are now.
        alias: which is to move.
        by: who moves it.
        what: `before`, or `removed`, and what else there is to say; None is left out, but for `before`.
        holder: the tags of the version that holds the alias, if that is another one.
    """
    history = read_history(tags)
    who = {"by": by.by, "pipeline": by.pipeline, "commit": by.commit}
    move = {"alias": alias, **who, **what}
    move = {key: value for key, value in move.items() if value is not None or key == "before"}
    if history and _kept(history[-1]) == _kept(move) and not _was_made(version, history[-1], holder):
        history.pop()
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return json.dumps([*history, move | {"at": now}])


def is_fact(move: Mapping[str, Any], version: Version, versions: Iterable[Version]) -> bool:
    """Whether a move that a version's history tells of was made, as far as aliases and other histories show."""
    alias, holds = move.get("alias"), move.get("alias") in version.aliases
    if "removed" in move:
        return not holds
    return holds or any(
        (later.get("alias"), later.get("before")) == (alias, version.version)
        for other in versions
        for later in read_history(other.tags)
    )


def _was_made(version: str, move: Mapping[str, Any], holder: Mapping[str, str]) -> bool:
    """Whether the version got the alias by this move: it holds it, or the one that does has taken it from it since."""
    if move.get("before") == version:
        return True
    taken = [later for later in read_history(holder) if later.get("alias") == move["alias"]]
    return bool(taken) and taken[-1].get("before") == version and str(taken[-1].get("at")) >= str(move.get("at"))


def _kept(move: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in move.items() if key not in AGAIN}
