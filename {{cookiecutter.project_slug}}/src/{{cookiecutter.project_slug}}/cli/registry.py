"""`registry`: the versions of the registered model and their lifecycle, as a table or as JSON."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..utils.verb import run_verb

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from ..ports import Entry, Version

COLUMNS = (
    "version", "aliases", "lifecycle", "age", "test", "commit", "staging gates", "prod gates", "release", "moved by",
)  # fmt: skip
UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
"""Seconds of what an age is given in."""


def registry(cfg: "DictConfig") -> dict[str, Any]:
    """Print who holds which alias and every version; in JSON also every move, and the record of moves.

    Raises:
        UserError: there is no such model.
    """
    import json

    from ..integrations.mlflow_registry import MlflowRegistry
    from ..schemas.config import validate
    from ..schemas.promotion import RegistryConfig

    config = validate(RegistryConfig, cfg)
    opened = MlflowRegistry(config.mlflow.tracking_uri)
    versions, moves = opened.versions(config.mlflow.model), opened.entries(config.mlflow.model)
    document: dict[str, Any] = {
        "model": config.mlflow.model,
        "aliases": {alias: version.version for version in versions for alias in version.aliases},
        "versions": [_described(version, versions) for version in versions],
        "moves": [_entry(move) for move in moves],
    }
    if config.format == "json":
        print(json.dumps(document, indent=1, ensure_ascii=False))
        return document
    held = ", ".join(f"{alias} {number}" for alias, number in document["aliases"].items())
    print(f"{config.mlflow.model}: {held or 'no alias is set'}\n")
    rows = [COLUMNS, *(_row(version) for version in document["versions"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for move in document["moves"]:
        if move["state"] == "open":
            print(f"\nnot finished: {move['kind']} of version {move['version']} to {move['to']} by {move['by']}")
    return document


def age(seconds: float) -> str:
    """A time in the largest unit of which it has one at least, such as `12 d`."""
    for size, unit in UNITS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "0 s"


def _described(version: "Version", versions: "Sequence[Version]") -> dict[str, Any]:
    import time

    from ..integrations.mlflow_history import is_fact, read_history
    from ..integrations.mlflow_registry import read_metrics

    tags, history = version.tags, read_history(version.tags)
    made = [move for move in history if is_fact(move, version, versions)]  # not what was killed before it was made
    return {
        "version": version.version,
        "aliases": list(version.aliases),
        "lifecycle": tags.get("lifecycle"),
        "registered": _shown(version.created),
        "age": age(time.time() - version.created),
        "run_id": version.run_id,
        "metrics": read_metrics(tags),
        "commit": tags.get("git.commit"),
        "data": tags.get("data.sha256"),
        "promotion": {to: tags[f"promotion.{to}"] for to in ("staging", "prod") if f"promotion.{to}" in tags},
        "release": {to: tags[f"release.{to}"] for to in ("staging", "prod") if f"release.{to}" in tags},
        "moved_by": made[-1].get("by") if made else None,
        "history": history,
    }


def _entry(entry: "Entry") -> dict[str, Any]:
    """An entry of the record, without what it does not say."""
    from ..integrations.mlflow_moves import facts

    return {"number": entry.number, "at": _shown(entry.created), "state": entry.state, **facts(entry.move)}


def _shown(seconds: float) -> str:
    import datetime

    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")


def _row(version: Mapping[str, Any]) -> tuple[str, ...]:
    from ..evaluation.metrics import MAIN

    main = next((f"{name} {version['metrics'][f'test/{name}']:.5g}" for name in MAIN.values()
                 if f"test/{name}" in version["metrics"]), "")  # fmt: skip
    verdicts = (version["promotion"].get(to, "").partition(":")[0] for to in ("staging", "prod"))
    release = version["release"]
    return (
        version["version"],
        " ".join(version["aliases"]),
        version["lifecycle"] or "",
        version["age"],
        main,
        (version["commit"] or "")[:8],
        *verdicts,
        release.get("prod") or release.get("staging") or "",
        str(version["moved_by"] or "")[:24],
    )


if __name__ == "__main__":
    run_verb("registry", registry)
