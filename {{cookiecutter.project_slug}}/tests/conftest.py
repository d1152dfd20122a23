"""Trainings that several tests look at; each happens once."""

import os

# Before torch, LightGBM and scikit-learn bring runtimes of their own; the trainings of the tests are small.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable
from functools import cache

import pandas as pd
import pytest

from . import awkward
from .trainings import Trained, awkward_config, train


@pytest.fixture(scope="session")
def heldout() -> pd.DataFrame:
    """The held-out rows of the awkward table, as a user has them."""
    return awkward.heldout()


@pytest.fixture(scope="session")
def train_awkward(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Trained]:
    """Trains one model for one target of the awkward table, once in a session."""
    folder = tmp_path_factory.mktemp("awkward")

    @cache
    def make(model: str, target: str) -> Trained:
        return train(awkward_config(folder, model, target), folder / f"{model}-{target}")

    return make
