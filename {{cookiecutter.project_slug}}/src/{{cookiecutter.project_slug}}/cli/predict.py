"""`predict`: scores a CSV or Parquet file with a servable."""

from typing import TYPE_CHECKING

from ..utils.verb import run_verb

if TYPE_CHECKING:
    from omegaconf import DictConfig


def predict(cfg: "DictConfig") -> int:
    """Score `input` into `output`, and return the number of rows."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from loguru import logger
    from tqdm import tqdm

    from ..inference.batch import score
    from ..inference.engine import Engine
    from ..inference.references import resolve
    from ..integrations.mlflow_registry import MlflowRegistry
    from ..schemas.config import PredictConfig, validate

    config = validate(PredictConfig, cfg)
    tables = Path(config.feature_tables) if config.feature_tables else None
    with (
        TemporaryDirectory() as downloads,
        tqdm(desc="predict", unit="row", unit_scale=True, disable=None, leave=False) as bar,
    ):
        uri = config.mlflow.tracking_uri
        resolved = resolve(config.reference, lambda: MlflowRegistry(uri, Path(downloads)))
        engine = Engine(resolved.folder, config.threads)
        rows = score(engine, Path(config.input), Path(config.output), config.rows, tables, bar.update)
    version = f" version {resolved.version.version}" if resolved.version else ""
    logger.info("{} rows scored by {}{}: {}", rows, engine.contract.name, version, config.output)
    return rows


if __name__ == "__main__":
    run_verb("predict", predict)
