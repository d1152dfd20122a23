"""`train` for a pipeline that is there to register: a training that registers nothing is a failure.

On a laptop it is none: the run is logged, and a pipeline registers it.
"""

from typing import TYPE_CHECKING

from {{ cookiecutter.project_slug }}.cli.train import train
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.utils.verb import run_verb

if TYPE_CHECKING:
    from omegaconf import DictConfig


def retrain(cfg: "DictConfig") -> None:
    """Train one model, and register its servable under `dev`.

    Raises:
        UserError: what `train` refuses; or nothing was registered.
    """
    if train(cfg) is None:
        raise UserError(
            f"no version of {cfg.mlflow.model} was registered: give this account the right to (docs/ci.md), "
            "and leave mlflow.register at true"
        )


if __name__ == "__main__":
    run_verb("train", retrain)
