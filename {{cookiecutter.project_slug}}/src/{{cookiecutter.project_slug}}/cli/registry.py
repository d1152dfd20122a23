"""`registry`: the versions of the registered model and their lifecycle, as a table or as JSON."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..utils.verb import run_verb

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from ..ports import Version

COLUMNS = ("version", "aliases", "lifecycle", "registered (UTC)", "test", "commit", "staging gates", "prod gates")


def registry(cfg: "DictConfig") -> dict[str, Any]:
    """Print who holds which alias, every version, and in JSON every move of an alias.

    Raises:
        UserError: there is no such model.
    """
    import json

    from ..integrations.mlflow_registry import MlflowRegistry
    from ..schemas.config import validate
    from ..schemas.promotion import RegistryConfig

    config = validate(RegistryConfig, cfg)
    versions = MlflowRegistry(config.mlflow.tracking_uri).versions(config.mlflow.model)
    document: dict[str, Any] = {
        "model": config.mlflow.model,
        "aliases": {alias: version.version for version in versions for alias in version.aliases},
        "versions": [_described(version) for version in versions],
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
    return document


def _described(version: "Version") -> dict[str, Any]:
    import datetime

    from ..integrations.mlflow_history import read_history
    from ..integrations.mlflow_registry import read_metrics

    tags = version.tags
    return {
        "version": version.version,
        "aliases": list(version.aliases),
        "lifecycle": tags.get("lifecycle"),
        "registered": datetime.datetime.fromtimestamp(version.created, datetime.UTC).isoformat(timespec="seconds"),
        "run_id": version.run_id,
        "metrics": read_metrics(tags),
        "commit": tags.get("git.commit"),
        "data": tags.get("data.sha256"),
        "promotion": {to: tags[f"promotion.{to}"] for to in ("staging", "prod") if f"promotion.{to}" in tags},
        "history": read_history(tags),
    }


def _row(version: Mapping[str, Any]) -> tuple[str, ...]:
    from ..evaluation.metrics import MAIN

    main = next((f"{name} {version['metrics'][f'test/{name}']:.5g}" for name in MAIN.values()
                 if f"test/{name}" in version["metrics"]), "")  # fmt: skip
    verdicts = (version["promotion"].get(to, "").partition(":")[0] for to in ("staging", "prod"))
    return (
        version["version"],
        " ".join(version["aliases"]),
        version["lifecycle"] or "",
        version["registered"][:16].replace("T", " "),
        main,
        (version["commit"] or "")[:8],
        *verdicts,
    )


if __name__ == "__main__":
    run_verb("registry", registry)
