"""The dashboard's image, in a real browser and before a real service; it writes nowhere but in /tmp."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deployment.api.app import create_app
from tests.containers import Checkout, check_out, docker, finished, running
from tests.dashboards import Thread, browser, page_object, write_biting_servable
from tests.servables import serving

pytestmark = [pytest.mark.slow, pytest.mark.containers]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A commit whose image is built."""
    made = check_out(tmp_path_factory.mktemp("images") / "project")
    made.build("dashboard")
    yield made
    made.remove_images()


def test_nothing_in_it_may_be_written(project: Checkout) -> None:
    assert docker("run", "--rm", project.tag("dashboard"), "find", "/app", "-writable") == ""
    assert finished(project.tag("dashboard"), "id", "-u") == "10001"
    labels = project.inspect("dashboard")["Config"]["Labels"]
    assert labels["org.opencontainers.image.revision"] == project.git("rev-parse", "HEAD")


def test_it_shows_what_is_served(project: Checkout, tmp_path: Path) -> None:
    service = Thread(create_app(serving(write_biting_servable(tmp_path / "servable"))), host="0.0.0.0")
    try:
        api = f"http://outside:{service.port}"
        with running(project.tag("dashboard"), 8501, DASHBOARD_API=api) as container, browser() as chromium:
            pages = page_object()(chromium, container.healthy().url)
            pages.sees("house")
            pages.sees("serving")
            assert pages.foreign == []
            assert container.stop() == 0, container.log
    finally:
        service.end()
