"""Trainings that several tests look at; each happens once."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch, LightGBM and scikit-learn bring their own runtimes

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

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
    """A model of the awkward table, what it was trained on, and the servable that came of it."""

    config: TrainConfig
    fitted: Fitted
    table: Table
    sides: np.ndarray
    servable: Export

    @property
    def expected(self) -> dict[str, np.ndarray]:
        """The training framework's predictions for the held-out rows."""
        return self.fitted.predict(self.table.take(self.sides == HELDOUT))


def train(config: TrainConfig, folder: Path) -> Trained:
    """Everything that `train` does before it logs."""
    table = prepare(config.data)
    sides = assign(table, config.data)
    fitted = fit(config, table, sides == TRAIN, sides == VALIDATION, lambda epoch, metrics: None)
    servable = export(fitted, table, sides, config, Code(None, None, None, None), folder)
    return Trained(config, fitted, table, sides, servable)


@pytest.fixture(scope="session")
def awkward_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The awkward table as a Parquet file."""
    path = tmp_path_factory.mktemp("awkward") / "awkward.parquet"
    awkward.frame().to_parquet(path)
    return path


@pytest.fixture(scope="session")
def heldout() -> pd.DataFrame:
    """The held-out rows of the awkward table, as a user has them."""
    return awkward.heldout()


@pytest.fixture(scope="session")
def awkward_config(awkward_file: Path) -> Callable[..., TrainConfig]:
    """Makes the configuration of one model and one target of the awkward table."""

    def make(model: str, target: str, *overrides: str) -> TrainConfig:
        data = {
            "name": "awkward",
            "path": str(awkward_file),
            "target": target,
            "task": awkward.TARGETS[target],
            "missing": "allowed",
            "columns": dict(awkward.columns(target)),
            "split": {"method": "column", "column": "side"},
        }
        return train_config(awkward_file.parent, data, [f"model={model}", *SMALL[model], *overrides])

    return make


@pytest.fixture(scope="session")
def trained(
    awkward_config: Callable[..., TrainConfig], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Trained]:
    """Trains one model for one target of the awkward table, once in a session."""

    @cache
    def make(model: str, target: str) -> Trained:
        return train(awkward_config(model, target), tmp_path_factory.mktemp(f"{model}-{target}") / "servable")

    return make
