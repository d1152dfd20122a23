"""`predict`: scores a CSV or Parquet file with a servable."""

from typing import TYPE_CHECKING

from ..utils.verb import run_verb

if TYPE_CHECKING:
    from omegaconf import DictConfig


def predict(cfg: "DictConfig") -> int:
    """Score `input` into `output`, and return the number of rows that have a prediction."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from loguru import logger
    from tqdm import tqdm

    from ..inference.batch import Files, score
    from ..inference.engine import Engine
    from ..inference.references import resolve
    from ..inference.tables import row_count
    from ..inference.unusual import describe
    from ..integrations.mlflow_registry import MlflowRegistry
    from ..schemas.config import PredictConfig, validate
    from ..utils.interruption import held_back

    config = validate(PredictConfig, cfg)
    rejects = Path(config.rejects) if config.rejects else None
    files = Files.of(Path(config.input), Path(config.output), rejects)
    with TemporaryDirectory() as downloads:
        uri = config.mlflow.tracking_uri
        resolved = resolve(config.reference, lambda: MlflowRegistry(uri, Path(downloads)))
        engine = Engine(resolved.folder, config.threads)
        title = config.reference + (f", version {resolved.version.version}" if resolved.version else "")
        total = row_count(files.source)
        with (
            held_back() as interruption,
            tqdm(desc="predict", unit="row", unit_scale=True, disable=None, leave=False, total=total) as bar,
        ):

            def on_rows(rows: int) -> None:
                bar.update(rows)
                interruption()

            done = score(
                engine,
                files.source,
                files.target,
                config.rows,
                Path(config.feature_tables) if config.feature_tables else None,
                on_rows,
                rejects=files.rejects,
                part_rows=config.part_rows,
                title=title,
            )
    for column in engine.contract.inputs:
        if column.name in done.unusual:
            logger.warning("{}", describe(column, done.unusual[column.name]))
    if done.rejected:
        logger.warning("{:,} of {:,} rows break the contract: {}", done.rejected, done.rows, files.rejects)
        if not engine.contract.keys:
            logger.warning("the table has no key: {} has the other rows in their order", files.target)
    logger.info("{:,} rows scored by {}: {}", done.scored, title, files.target)
    return done.scored


if __name__ == "__main__":
    run_verb("predict", predict)
