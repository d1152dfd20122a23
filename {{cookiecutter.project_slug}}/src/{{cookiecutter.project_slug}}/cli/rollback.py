"""`rollback`: `prod` goes back to the version before."""

from typing import TYPE_CHECKING

from ..utils.verb import run_verb

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from ..ports import Version


def rollback(cfg: "DictConfig") -> "tuple[Version, Version]":
    """Withdraw the version that holds `prod`, and give `prod` to the one before it.

    Returns:
        The withdrawn version, and the one that holds `prod` now.

    Raises:
        UserError: the move is not allowed here, there is no way back, or the way back leads to a servable that is
            damaged: nothing is moved then.
    """
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from loguru import logger

    from ..inference.engine import Engine
    from ..integrations.mlflow_registry import MlflowRegistry
    from ..schemas.config import validate
    from ..schemas.promotion import RollbackConfig
    from .moving import open_lifecycle

    config = validate(RollbackConfig, cfg)
    with TemporaryDirectory() as folder:
        registry = MlflowRegistry(config.mlflow.tracking_uri, Path(folder))
        lifecycle = open_lifecycle(config.promotion, registry, config.mlflow.model)
        way = lifecycle.way_back(None if config.version is None else str(config.version))
        if not way.done:
            Engine(registry.download(way.serving)).check_golden()
        lifecycle.rollback(way)
    name, serving = way.serving.name, way.serving.version
    logger.info("{} version {} holds prod; version {} is withdrawn", name, serving, way.withdrawn.version)
    return way.withdrawn, way.serving


if __name__ == "__main__":
    run_verb("rollback", rollback)
