"""`train`: load → split → fit → evaluate → export → log → register."""

from typing import TYPE_CHECKING

from ..utils.verb import run_verb

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from ..ports import Version


def train(cfg: "DictConfig") -> "Version | None":
    """Train one model, and register its servable under `dev`.

    Returns:
        The registered version; None where `mlflow.register` is false or the account may not register.

    Raises:
        UserError: a mistake in the configuration or the table, or a model that cannot become a servable; or `keep`
            holds something already.
    """
    from ..schemas.config import TrainConfig, validate
    from ..utils.threads import limit_threads

    config = validate(TrainConfig, cfg)
    limit_threads(config.threads)  # before numpy is imported, whose linear algebra asks for it only then

    import json
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from loguru import logger

    from ..data.prepare import prepare
    from ..data.splits import assign
    from ..integrations import mlflow_tracking
    from ..integrations.mlflow_registry import MlflowRegistry
    from ..integrations.mlflow_store import shown
    from ..training.fit import fit
    from ..training.servable import export
    from ..utils import provenance
    from ..utils.files import copy_new, refuse_full
    from ..utils.progress import Progress
    from .reporting import log_evaluation, log_setup, publish

    if config.keep is not None:
        refuse_full(Path(config.keep))
    registry = MlflowRegistry(config.mlflow.tracking_uri)
    if config.mlflow.register_model:
        registry.check_target(config.mlflow.model, config.data.target, config.data.task)

    table = prepare(config.data)
    sides = assign(table, config.data)

    code = provenance.code(config.generated, config.revision)
    for gap in code.gaps:
        logger.warning("this run will not record: {}", gap)
    with (
        mlflow_tracking.run(config.mlflow, str(config.model["_target_"]).rpartition(".")[2]) as run,
        TemporaryDirectory() as tmp,
    ):
        log_setup(run, cfg, code, table)
        with Progress("train", shown=config.progress) as progress:
            fitted = fit(config, table, sides == "train", sides == "validation", progress)
        run.curve(progress.history)
        folder = Path(tmp) / "run"
        metrics = log_evaluation(run, config, fitted, table, sides, progress.history, folder / "figures")
        servable = folder / "servable"
        version = publish(run, registry, config, metrics, lambda: export(fitted, table, sides, config, code, servable))
        if config.keep is not None:
            (folder / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
            copy_new(folder, Path(config.keep))

    logger.info("run {} of {} at {}", run.run_id, config.mlflow.experiment, shown(config.mlflow.tracking_uri))
    return version


if __name__ == "__main__":
    run_verb("train", train)
