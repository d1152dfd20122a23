"""`evaluate`: metrics and figures of a servable on its held-out rows, next to the incumbent's."""

from typing import TYPE_CHECKING

from ..utils.verb import run_verb

if TYPE_CHECKING:
    from omegaconf import DictConfig


def evaluate(cfg: "DictConfig") -> dict[str, dict[str, float]]:
    """Score the held-out rows of `reference` with it and with the incumbent; write metrics.json and figures.

    Returns:
        Metrics by reference.
    """
    import json
    import os
    from pathlib import Path

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
    opened: list[MlflowRegistry] = []

    def registry() -> MlflowRegistry:
        if not opened:
            opened.append(MlflowRegistry(config.mlflow.tracking_uri, Path("outputs/servables")))
        return opened[0]

    candidate = Engine(resolve(config.reference, registry).folder)
    columns, truth = read_heldout(candidate.folder, candidate.contract)
    found = {config.reference: metrics_of(candidate.contract.target, truth, candidate.run(columns))}
    if config.incumbent is not None:
        try:
            incumbent = Engine(resolve(config.incumbent, registry).folder)
            found[config.incumbent] = metrics_of(candidate.contract.target, truth, incumbent.run(columns))
        except (UserError, InputError, KeyError) as error:
            logger.warning("no comparison with {}: {}", config.incumbent, error)
    folder = Path(HydraConfig.get().runtime.output_dir) if HydraConfig.initialized() else Path("outputs/evaluate")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for name, figure in figures.of_predictions(candidate.contract.target, truth, candidate.run(columns)).items():
        figure.savefig(folder / f"{name}.png")
    names = list(found)
    print(f"{len(truth)} held-out rows of {config.reference}; figures in {os.path.relpath(folder)}")
    print(f"{'metric':<12}" + "".join(f"{name:>32}" for name in names))
    for metric in found[config.reference]:
        print(f"{metric:<12}" + "".join(f"{found[name].get(metric, float('nan')):>32.6g}" for name in names))
    return found


if __name__ == "__main__":
    run_verb("evaluate", evaluate)
