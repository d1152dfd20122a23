"""Other starts of the pages: mistakes are one line, and another experiment may stand at the same address."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployment.api.app import create_app
from tests.dashboard_world import RECORD, enter, price, shows
from tests.dashboards import (
    Thread,
    browser,
    dashboard,
    page_object,
    service,
    write_biting_servable,
    write_turned_servable,
)
from tests.project import ROOT, environment_of, make_project
from tests.servables import CITY, serving

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as started:
        yield started


def test_another_experiment_at_the_same_address(chromium: Any, tmp_path: Path) -> None:
    project, kept = make_project(tmp_path / "project"), tmp_path / "kept"
    kept.mkdir()
    first = Thread(create_app(serving(write_biting_servable(tmp_path / "a"))))
    overrides = (f"dashboard.api={first.url}", "dashboard.refresh_seconds=1")
    with dashboard(project, *overrides, TMPDIR=str(kept)) as address:
        pages = page_object()(chromium, address)
        enter(pages)
        pages.press("Predict")
        shows(pages, price(RECORD))
        (tmp_path / "rows.csv").write_text("age\n1\n", encoding="utf-8")
        pages.open("Score a table")
        pages.upload(tmp_path / "rows.csv")
        pages.sees("missing columns")
        assert [path.read_text(encoding="utf-8") for path in kept.glob("**/*.csv")] == ["age\n1\n"]
        pages.open("Predict")
        first.end()
        second = Thread(create_app(serving(write_turned_servable(tmp_path / "b"))), first.port)
        try:
            pages.sees("turned, from a directory answers now; it was house, from a directory")
            for name, text in {"age": "b", CITY: "2", "is.new": "b", "rooms per house": "true", "seen at": "2"}.items():
                pages.holds(name, text)
            pages.press("Predict")
            shows(pages, 2.0)
        finally:
            second.end()
        pages.page.context.close()
    assert list(kept.glob("**/*.csv")) == []  # what was uploaded does not outlive the process


def test_a_second_service_that_hangs_holds_nothing_up(chromium: Any, tmp_path: Path) -> None:
    project, folder = make_project(tmp_path / "project"), write_biting_servable(tmp_path / "a")
    with service(folder) as first, socket.create_server(("127.0.0.1", 0)) as silent:  # the second one says nothing
        hanging = f"dashboard.staging_api=http://127.0.0.1:{silent.getsockname()[1]}"
        with dashboard(project, f"dashboard.api={first.url}", hanging, "dashboard.timeout_seconds=600") as address:
            pages = page_object()(chromium, address)
            for number in (1, 2):
                pages.open("Compare")
                pages.open("Predict")
                pages.fill("age (years) *", str(number))
                pages.press("Predict")
                shows(pages, price(age=number))
            pages.page.context.close()


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("dashboard.ui=absent", "error: config: dashboard.ui: there is no deployment/dashboards/absent.py"),
        ("dashboard.prot=1", "error: there is no key 'dashboard.prot' to override; did you mean dashboard.port?"),
        ("dashboard.api=here", "error: config: dashboard.api: 'here' is no address of a service"),
        (
            "dashboard.port=TAKEN",
            "error: cannot listen on 127.0.0.1:TAKEN (Address already in use): set dashboard.host",
        ),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, override: str, said: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
        command = [sys.executable, "-m", "deployment.dashboards", override.replace("TAKEN", port)]
        project, environment = make_project(tmp_path / "project"), environment_of(PYTHONPATH=path)
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    (line,) = done.stderr.splitlines()
    assert line.startswith(said.replace("TAKEN", port))
    assert done.returncode == 1
