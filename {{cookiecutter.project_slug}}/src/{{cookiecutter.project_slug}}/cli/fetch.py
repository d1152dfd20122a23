"""`fetch`: the raw table into `data/raw/`, named by its fingerprint."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..utils.verb import run_verb

if TYPE_CHECKING:
    from omegaconf import DictConfig


def fetch(cfg: "DictConfig") -> Path:
    """Fetch the raw table unless it is there, and return its path."""
    from loguru import logger

    from ..data import sources
    from ..schemas.config import TrainConfig, validate

    config = validate(TrainConfig, cfg)
    path = sources.fetch(config.data)
    logger.info("raw table: {}", path)
    return path


if __name__ == "__main__":
    run_verb("fetch", fetch)
