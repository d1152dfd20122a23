"""A servable for each file of tests, and one that CSV files suffice for."""

import pytest

from {{ cookiecutter.project_slug }}.inference.engine import Engine

from tests.servables import write_servable


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine(write_servable(tmp_path_factory.mktemp("batch") / "servable"))


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A servable whose column of width 3, which no CSV file can hold, comes from a feature table of width 1."""
    return Engine(write_servable(tmp_path_factory.mktemp("narrow") / "servable", wide=False))
