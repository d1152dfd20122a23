"""Trainings of the awkward table in process, through the code that `train` runs."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from {{ cookiecutter.project_slug }}.data.prepare import prepare
from {{ cookiecutter.project_slug }}.data.splits import HELDOUT, TRAIN, VALIDATION, assign
from {{ cookiecutter.project_slug }}.data.table import Table
from {{ cookiecutter.project_slug }}.schemas.config import TrainConfig
from {{ cookiecutter.project_slug }}.training.fit import Fitted, fit
from {{ cookiecutter.project_slug }}.training.servable import Export, export
from {{ cookiecutter.project_slug }}.utils.provenance import Code

from . import awkward
from .configs import SMALL, train_config


@dataclass(frozen=True)
class Trained:
    """A model, what it was trained on, and the servable that came of it."""

    config: TrainConfig
    fitted: Fitted
    table: Table
    sides: np.ndarray
    servable: Export

    @property
    def heldout(self) -> Table:
        """The held-out rows."""
        return self.table.take(self.sides == HELDOUT)

    @property
    def expected(self) -> dict[str, np.ndarray]:
        """The training framework's predictions for the held-out rows."""
        return self.fitted.predict(self.heldout)


def awkward_config(folder: Path, model: str, target: str, *overrides: str) -> TrainConfig:
    """One model and one target of the awkward table; everything that is written goes into `folder`."""
    path = folder / "awkward.parquet"
    if not path.exists():
        awkward.frame().to_parquet(path)
    data = {
        "name": "awkward",
        "path": str(path),
        "target": target,
        "task": awkward.TARGETS[target],
        "missing": "allowed",
        "columns": dict(awkward.columns(target)),
        "split": {"method": "column", "column": "side"},
    }
    fixed = [f"model={model}", f"mlflow.model=awkward_{target}", "mlflow.experiment=awkward", *SMALL[model]]
    return train_config(folder, data, [*fixed, *overrides])


def train(config: TrainConfig, folder: Path) -> Trained:
    """Everything that `train` does before it logs."""
    table = prepare(config.data)
    sides = assign(table, config.data)
    fitted = fit(config, table, sides == TRAIN, sides == VALIDATION, lambda epoch, metrics: None)
    servable = export(fitted, table, sides, config, Code(None, None, None, None), folder)
    return Trained(config, fitted, table, sides, servable)


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every file of a directory."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def train_elsewhere(folder: Path, model: str, target: str) -> None:
    """What another process runs: the same training in another folder."""
    train(awkward_config(folder, model, target), folder / "servable")
