"""`cv`: metrics per fold, their mean and deviation."""

from typing import TYPE_CHECKING

from ..utils.verb import run_verb

if TYPE_CHECKING:
    from omegaconf import DictConfig


def cv(cfg: "DictConfig") -> dict[str, float]:
    """Cross-validate, log to MLflow, and return `cv/<metric>_mean` and `cv/<metric>_std`."""
    from ..schemas.config import CrossValidationConfig, validate
    from ..utils.threads import limit_threads

    config = validate(CrossValidationConfig, cfg)
    limit_threads(config.threads)  # before numpy is imported, whose linear algebra asks for it only then

    from pathlib import Path
    from tempfile import TemporaryDirectory

    from loguru import logger

    from ..data.prepare import prepare
    from ..evaluation import figures
    from ..evaluation.metrics import MAIN
    from ..integrations import mlflow_tracking
    from ..training.crossval import cross_validate, summary
    from ..utils import provenance
    from ..utils.progress import Progress
    from .reporting import log_setup

    table = prepare(config.data)
    main = MAIN[config.data.task]
    with mlflow_tracking.run(config.mlflow, "cv") as run, TemporaryDirectory() as tmp:
        log_setup(run, cfg, provenance.code(config.generated, config.revision), table)
        folds = []
        for fold, metrics in enumerate(cross_validate(config, table, lambda: Progress("fold", shown=config.progress))):
            logger.info("fold {} of {}: {} {:.6g}", fold + 1, config.evaluation.folds, main, metrics[main])
            run.metrics({f"cv/{name}": value for name, value in metrics.items()}, step=fold)
            folds.append(metrics)
        values = summary(folds)
        run.metrics(values)
        figures.folds([fold[main] for fold in folds], main).savefig(Path(tmp) / "folds.png")
        run.artifact(Path(tmp) / "folds.png", "figures")
    logger.info("cv/{0}_mean: {1:.6g}, cv/{0}_std: {2:.6g}", main, values[f"cv/{main}_mean"], values[f"cv/{main}_std"])
    return values


if __name__ == "__main__":
    run_verb("cv", cv)
