"""`evaluate`: metrics and figures of a servable on its held-out rows, next to the incumbent's."""

from typing import TYPE_CHECKING

from ..utils.verb import run_verb

if TYPE_CHECKING:
    from omegaconf import DictConfig

SIDES = ("candidate", "incumbent")
"""Of a comparison, in the order in which they are evaluated."""


def evaluate(cfg: "DictConfig") -> dict[str, dict[str, float]]:
    """Score the held-out rows of `reference` with it and with the incumbent; write metrics.json and figures.

    Returns:
        Metrics by reference.
    """
    import functools
    import json
    import os
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from hydra.core.hydra_config import HydraConfig
    from loguru import logger

    from ..evaluation import figures
    from ..evaluation.heldout import read_heldout
    from ..evaluation.metrics import evaluate as metrics_of
    from ..inference.engine import Engine
    from ..inference.references import resolve
    from ..inference.wire import InputError
    from ..integrations.mlflow_registry import MlflowRegistry
    from ..ports import UserError
    from ..schemas.config import EvaluateConfig, validate

    config = validate(EvaluateConfig, cfg)
    found = {}
    with TemporaryDirectory() as downloads:
        registry = functools.cache(lambda: MlflowRegistry(config.mlflow.tracking_uri, Path(downloads)))
        candidate = Engine(resolve(config.reference, registry).folder)
        target = candidate.contract.target
        columns, truth = read_heldout(candidate.folder, candidate.contract)
        outputs = candidate.run(columns)
        found[config.reference] = metrics_of(target, truth, outputs)
        if config.incumbent is not None:
            try:
                incumbent = Engine(resolve(config.incumbent, registry).folder)
                if incumbent.contract.target.identity == target.identity:
                    found[config.incumbent] = metrics_of(target, truth, incumbent.run(columns))
                else:
                    logger.warning("no comparison with {}: its target or classes are others", config.incumbent)
            except (UserError, InputError) as error:
                logger.info("no comparison with {}: {}", config.incumbent, error)

    folder = Path(HydraConfig.get().runtime.output_dir) if HydraConfig.initialized() else Path("outputs/evaluate")
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    named = zip(SIDES, found.items(), strict=False)  # without an incumbent there is one
    document = {side: {"reference": reference, **metrics} for side, (reference, metrics) in named}
    (folder / "metrics.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    for name, figure in figures.of_predictions(target, truth, outputs).items():
        figure.savefig(folder / "figures" / f"{name}.png")
    print(f"{len(truth)} held-out rows of {config.reference}; figures in {os.path.relpath(folder)}")
    width = max(map(len, found)) + 2
    print(f"{'metric':<12}" + "".join(f"{name:>{width}}" for name in found))
    for metric in found[config.reference]:
        print(f"{metric:<12}" + "".join(f"{values.get(metric, float('nan')):>{width}.6g}" for values in found.values()))
    return found


if __name__ == "__main__":
    run_verb("evaluate", evaluate)
