"""Trainings that several tests look at, each of which happens once; and an environment that leads no test elsewhere."""

import os

# Before torch, LightGBM and scikit-learn bring runtimes of their own; the trainings of the tests are small.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import importlib
import pkgutil
import re
import signal
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from . import awkward, containers
from .project import PACKAGE
from .trainings import Trained, awkward_config, train

# What the configuration takes from the environment may be somebody's store or server, which are no place for tests.
for path in (Path(__file__).parents[1] / "config").rglob("*.yaml"):
    for name in re.findall(r"oc\.env:(\w+)", path.read_text(encoding="utf-8")):
        os.environ.pop(name, None)

# What a shell starts in the background ignores SIGINT, and so would every process of a test.
signal.signal(signal.SIGINT, signal.default_int_handler)


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


LEFT_OUT = pytest.StashKey[str]()
WORKERS = "left out"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What needs an engine that is not there is left out; a skip would look like something that is to be mended.
    What is there comes first: its files take longest, and one that began last would keep the other processes waiting.
    """
    items.sort(key=lambda item: item.get_closest_marker("containers") is None)
    said = []
    for marker, lacks in {"containers": containers.trouble, "compose": containers.no_compose}.items():
        found = [item for item in items if item.get_closest_marker(marker)]
        if found and (reason := lacks()):
            said.append(f"{len(found)} tests of {marker} are left out: {reason}")
            config.hook.pytest_deselected(items=found)
            items[:] = [item for item in items if item not in found]
    if said:
        config.stash[LEFT_OUT] = "\n".join(said)
        getattr(config, "workeroutput", {})[WORKERS] = config.stash[LEFT_OUT]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Load the project: Hypothesis also tries constants of what is loaded, so that it would try others in another order."""
    if any(item.get_closest_marker("hypothesis") for item in session.items):
        for package in (PACKAGE, "deployment.api"):
            for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
                if not module.name.endswith(".__main__"):
                    importlib.import_module(module.name)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Have what a worker of pytest-xdist says: it collects, and another process prints."""
    if said := getattr(node, "workeroutput", {}).get(WORKERS):
        node.config.stash[LEFT_OUT] = said


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say why they were left out."""
    if LEFT_OUT in config.stash:
        terminalreporter.write_line(config.stash[LEFT_OUT])
