"""A small perceptron and its data, for tests; importable by a process that a test starts and kills."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np

from {{ cookiecutter.project_slug }}.ports import Estimator, FittedModel, Matrix, OnEpoch

NAMES = ("a", "b", "colour")
LEVELS = 6
"""Codes of `colour`: unknown, missing, and four levels."""


def matrix(seed: int, classes: int = 0, rows: int = 300) -> Matrix:
    """Two numbers and a category that a target depends on; no row of it is unknown."""
    draw = np.random.default_rng(seed)
    numbers = draw.normal(size=(rows, 2))
    codes = draw.integers(1, LEVELS, rows)
    signal = 100 + 10 * (numbers[:, 0] * numbers[:, 1] + codes) + draw.normal(0, 0.1, rows)
    target = np.digitize(signal, np.quantile(signal, [0.33, 0.66])) if classes else signal
    return Matrix(np.column_stack([numbers, codes]).astype(np.float32), target, NAMES, {2: LEVELS}, classes)


def perceptron(folder: Path, seed: int = 0, dropout: float = 0.2, **options: Any) -> Estimator:
    """With dropout, so that a resumed fit must draw what a straight one draws."""
    # Here, since collecting the tests would take seconds otherwise.
    from {{ cookiecutter.project_slug }}.models.lightning import LightningMLP

    trainer = {
        "max_epochs": 6,
        "batch_size": 64,
        "learning_rate": 0.01,
        "weight_decay": 0.01,
        "patience": 50,
        "gradient_clip": 1.0,
        "accelerator": "cpu",
        "devices": 1,
        "precision": "32",
        "checkpoints": str(folder),
        "resume": None,
    }
    return LightningMLP([16], dropout, 4, trainer | options, seed)


def fit(model: Estimator, on_epoch: OnEpoch = lambda epoch, metrics: None, classes: int = 0) -> FittedModel:
    """On rows that are the same every time."""
    return model.fit(matrix(1, classes), matrix(2, classes), on_epoch)


def fit_and_be_killed(folder: str, epoch: int) -> None:
    """Fit, until the process kills itself in the middle of an epoch's end."""

    def kill(now: int, metrics: object) -> None:
        if now == epoch:
            os.kill(os.getpid(), signal.SIGKILL)

    fit(perceptron(Path(folder)), kill)
