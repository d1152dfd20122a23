"""A servable for each file of tests, and a service of it in this process."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from deployment.api.app import create_app
from tests.servables import serving, write_servable


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_servable(tmp_path_factory.mktemp("servables") / "price")


@pytest.fixture(scope="module")
def price(folder: Path) -> TestClient:
    return TestClient(create_app(serving(folder)), raise_server_exceptions=False)
