"""What `train` writes down of itself: parameters, facts, metrics, figures, the registered version."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from loguru import logger
from omegaconf import DictConfig, OmegaConf

from ..data.table import Table
from ..evaluation import figures
from ..evaluation.metrics import MAIN, evaluate
from ..integrations.mlflow_registry import MlflowRegistry
from ..integrations.mlflow_store import ForbiddenError, shown
from ..integrations.mlflow_tracking import MlflowTracker
from ..ports import AliasMovedError, Mover, UnsupportedModelError, Version
from ..promotion.card import CARD_FILE, card, summary
from ..schemas.config import TrainConfig
from ..schemas.resolved import CONFIG_FILE
from ..training.fit import Fitted
from ..training.servable import Export
from ..utils import provenance
from ..utils.provenance import Code
from .registering import version_tags

SPLITS = {"train": "train", "validation": "val", "heldout": "test"}
"""Names of the splits in metrics."""


def log_setup(run: MlflowTracker, cfg: DictConfig, code: Code, table: Table) -> None:
    """Parameters, the resolved configuration, and facts of machine, repository and data."""
    container = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(container, dict)
    parameters = {key: container[key] for key in ("features", "model", "trainer", "seed", "threads")}
    run.params(parameters | {"data.name": cfg.data.name, "data.target": cfg.data.target})
    facts = {
        "git.commit": code.commit or "unknown",
        "git.branch": code.branch or "unknown",
        "git.dirty": str(code.dirty).lower() if code.dirty is not None else "unknown",
        "lock.sha256": code.lock or "unknown",
        "data.sha256": table.fingerprint,
        "data.rows": str(len(table)),
        "mlflow.note.content": str(cfg.description),
    }
    run.tags({**cfg.mlflow.tags} | facts | provenance.system())
    resolved = OmegaConf.create(container)
    resolved.mlflow.tracking_uri = shown(cfg.mlflow.tracking_uri)
    run.text(OmegaConf.to_yaml(resolved), CONFIG_FILE)


def log_evaluation(
    run: MlflowTracker,
    config: TrainConfig,
    fitted: Fitted,
    table: Table,
    sides: np.ndarray,
    history: Sequence[Mapping[str, float]],
    folder: Path,
) -> dict[str, float]:
    """Metrics of every split, and figures of the held-out rows, which are written to `folder`, a new one."""
    target = fitted.target
    values: dict[str, float] = {}
    for side, name in SPLITS.items():
        part = table.take(sides == side)
        found = evaluate(target, part.columns[target.name][:, 0], fitted.predict(part))
        values |= {f"{name}/{metric}": value for metric, value in found.items()}
    run.metrics(values)
    run.tags({f"data.rows.{name}": str(int((sides == side).sum())) for side, name in SPLITS.items()})
    main = f"test/{MAIN[target.kind]}"
    logger.info("{}: {:.5g}; {}", main, values[main], _listed(values, "test/", main))

    heldout = table.take(sides == "heldout")
    truth = heldout.columns[target.name][:, 0]
    drawn = figures.of_predictions(target, truth, fitted.predict(heldout))
    if history:
        drawn["learning_curve"] = figures.learning_curve(history)
    if config.evaluation.importance_repeats:
        importance = fitted.importance(heldout, config.evaluation.importance_repeats, config.seed)
        drawn["feature_importance"] = figures.importance(importance, MAIN[target.kind])
    folder.mkdir(parents=True)
    for name, figure in drawn.items():
        figure.savefig(folder / f"{name}.png")
        run.artifact(folder / f"{name}.png", "figures")
    return values


def publish(
    run: MlflowTracker,
    registry: MlflowRegistry,
    config: TrainConfig,
    metrics: Mapping[str, float],
    export: Callable[[], Export],
) -> Version | None:
    """Export the servable, keep it with the run, and register it under `dev`, where that is wanted and allowed.

    Raises:
        UnsupportedModelError: the model has no converter, and a version is wanted.
    """
    try:
        servable = export()
    except UnsupportedModelError as error:
        if config.mlflow.register_model:
            raise
        logger.warning("trained and evaluated, without a servable: {}", error)
        return None
    run.metrics({"export/parity": servable.parity})
    run.servable(servable.folder)
    facts = registry.run_facts(run.run_id)
    run.text(card(servable.contract, config, facts, version=None, report=None), CARD_FILE)
    if not config.mlflow.register_model:
        return None
    tags = version_tags(servable.contract, config.mlflow.experiment, metrics, config.mlflow.tags)
    try:
        version = registry.register(run, servable.folder, tags)
        where = f"{CARD_FILE} of run {run.run_id}"
        registry.describe(version, summary(servable.contract, config, facts, where))
        registry.set_alias(version, "dev", Mover(f"run {run.run_id}"))
    except AliasMovedError as moved:  # another training has finished: its version is the newest
        logger.warning("{}", moved)
        return version
    except ForbiddenError:
        logger.warning("not registered: this account may not; CI's manual pipeline registers run {}", run.run_id)
        return None
    logger.info("registered {} version {} under dev: models:/{}@dev", version.name, version.version, version.name)
    return version


def _listed(values: Mapping[str, float], prefix: str, main: str) -> str:
    others = {
        key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix) and key != main
    }
    return ", ".join(f"{key} {value:.4g}" for key, value in others.items())
