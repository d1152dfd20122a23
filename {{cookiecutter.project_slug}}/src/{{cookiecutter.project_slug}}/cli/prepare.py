"""`prepare`: validated, with its feature tables joined, into `data/processed/`."""

from typing import TYPE_CHECKING

from ..utils.verb import run_verb

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from ..data.table import Table


def prepare(cfg: "DictConfig") -> "Table":
    """Fetch and prepare the table where needed, say how its rows are split, and return it."""
    import numpy as np
    from loguru import logger

    from ..data import prepare as preparation
    from ..data.splits import assign
    from ..schemas.config import TrainConfig, validate

    config = validate(TrainConfig, cfg)
    table = preparation.prepare(config.data)
    sides, counts = np.unique(assign(table, config.data), return_counts=True)
    logger.info("{} rows: {}", len(table), ", ".join(f"{n} {side}" for side, n in zip(sides, counts, strict=True)))
    return table


if __name__ == "__main__":
    run_verb("prepare", prepare)
