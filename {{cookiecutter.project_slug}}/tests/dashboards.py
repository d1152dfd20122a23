"""What tests of the dashboard share: services in a thread, processes of the pages, a browser, a servable that bites."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from omegaconf import OmegaConf
from onnx import TensorProto, helper

from {{ cookiecutter.project_slug }}.inference.references import Resolved
from {{ cookiecutter.project_slug }}.ports import Version
from {{ cookiecutter.project_slug }}.schemas.contract import Contract
from {{ cookiecutter.project_slug }}.schemas.dashboard import DashboardSettings
from {{ cookiecutter.project_slug }}.utils.files import sha256

from deployment.api.app import Service, create_app
from deployment.api.served import Served
from tests.project import ROOT, environment_of
from tests.servables import CITY, serving, write_servable
from tests.servers import PATIENCE

HTML = "<img src=x onerror=alert(1)> **fett**"
"""A level that must be shown as it is written."""
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage",
)  # fmt: skip


def write_biting_servable(folder: Path, **changed: Any) -> Path:
    """A servable without a column of width 3, whose contract lists a level that is HTML and Markdown."""
    write_servable(folder, wide=False, **changed)
    contract = json.loads((folder / "contract.json").read_text(encoding="utf-8"))
    for column in contract["columns"]:
        if column["name"] == CITY:
            column["categories"].append(HTML)
    (folder / "contract.json").write_text(json.dumps(contract), encoding="utf-8")
    return folder


def write_turned_servable(folder: Path) -> Path:
    """Another experiment's servable, whose columns bear the names of COLUMNS and are of other kinds; it predicts 2."""
    folder.mkdir()
    kinds = {"age": "category", CITY: "number", "is.new": "category", "rooms per house": "boolean", "seen at": "number"}
    typical: dict[str, float | str] = {"category": "b", "number": 2.0, "boolean": 1.0}
    types = {"category": TensorProto.STRING, "number": TensorProto.DOUBLE, "boolean": TensorProto.DOUBLE}
    graph = helper.make_graph(
        [helper.make_node("Cast", [CITY], ["price_prediction"], to=TensorProto.FLOAT)],
        "turned",
        [helper.make_tensor_value_info(name, types[kind], ["N", 1]) for name, kind in kinds.items()],
        [helper.make_tensor_value_info("price_prediction", TensorProto.FLOAT, ["N", 1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    golden = {
        "inputs": {name: [typical[kind]] for name, kind in kinds.items()},
        "outputs": {"price_prediction": [[2.0]]},
    }
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    (folder / "golden.json").write_text(json.dumps(golden), encoding="utf-8")
    contract = {
        "name": "turned",
        "columns": [{"name": name, "kind": kind, "typical": typical[kind]} for name, kind in kinds.items()],
        "targets": [{"name": "price", "kind": "regression", "unit": "k$", "deviation": 20.0}],
        "digests": {path.name: sha256(path) for path in folder.iterdir()},
    }
    text = Contract.model_validate_json(json.dumps(contract)).to_json()
    (folder / "contract.json").write_text(text, encoding="utf-8")
    return folder


def settings(api: str, **changed: Any) -> DashboardSettings:
    """Settings of the pages for a test."""
    values: dict[str, Any] = {
        "ui": "none", "api": api, "staging_api": None, "api_key": "", "staging_api_key": "", "host": "127.0.0.1",
        "port": 0, "timeout_seconds": 5, "refresh_seconds": 0.5, "sweep_points": 5, "upload_mb": 1, "slice_rows": 100,
        "preview_rows": 10,
    }  # fmt: skip
    return DashboardSettings(**values | changed)


class Thread:
    """The HTTP service in a thread of this process.

    Args:
        app: the service.
        port: 0 takes a free one.
        host: the address that it listens at.
    """

    def __init__(self, app: Service, port: int = 0, host: str = "127.0.0.1") -> None:
        self.app = app
        config = uvicorn.Config(app, host=host, port=port, log_config=None, timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + PATIENCE
        while not self._server.started:
            assert self._thread.is_alive(), "the service ended"
            assert time.monotonic() < deadline, "the service does not start"
            time.sleep(0.01)
        self.port: int = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def swap(self, folder: Path, version: Version) -> None:
        """Have it answer with another version under `prod`, as it does when the alias moves."""
        resolved = Resolved(f"models:/{version.name}@prod", folder, version)
        self.app._swap(Served.load(resolved, self.app.config, self.app.dialects))

    def end(self) -> None:
        """Stop it."""
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


@contextmanager
def service(folder: Path | str, **changed: Any) -> Iterator[Thread]:
    """A service of a servable until the end of the block; `changed` are its settings."""
    running = Thread(create_app(serving(folder, **changed)))
    try:
        yield running
    finally:
        running.end()


@contextmanager
def dashboard(project: Path, *overrides: str, **environment: str) -> Iterator[str]:
    """A process of the pages; its address."""
    path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    variables = environment_of(PYTHONPATH=path, **environment)
    variables.pop("PYTEST_CURRENT_TEST", None)  # with it NiceGUI takes itself for one that is tested, and ends
    command = [sys.executable, "-m", "deployment.dashboards", "dashboard.port=0", *overrides]
    log = project / f"dashboard-{time.monotonic_ns()}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=project, env=variables, stdout=file, stderr=file
        )  # fmt: skip
    try:
        yield _address(process, log)
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        text = log.read_text(encoding="utf-8")
        assert process.poll() is None, text
        found = re.search(r"is at (http://127\.0\.0\.1:\d+)", text)
        if found:
            try:
                with urllib.request.urlopen(found[1], timeout=5) as answer:
                    assert answer.status == 200
                    return found[1]
            except OSError:
                pass  # it is about to listen
        time.sleep(0.05)
    raise AssertionError(f"the dashboard does not answer:\n{log.read_text(encoding='utf-8')}")


def chosen() -> str:
    """The UI that this project was made with, as its configuration names it."""
    return str(OmegaConf.load(ROOT / "config/dashboard.yaml").dashboard.ui)


def page_object() -> Any:
    """The class that knows where this project's UI has its fields and buttons."""
    return importlib.import_module(f"tests.{chosen()}_page").Pages


@contextmanager
def browser() -> Iterator[Any]:
    """A real Chromium; without one the test is skipped."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
        except Error as error:
            pytest.skip(
                f"no Chromium to be had (`playwright install chromium` brings one): {str(error).splitlines()[0]}"
            )
        try:
            yield started
        finally:
            started.close()


TIMEOUT = 60_000
"""Milliseconds after which what does not show is given up."""


class PageObject:
    """What a person does with the pages, whatever draws them. A dialog fails the test: no level's HTML is to run.

    Args:
        browser: it gets a context, hence cookies and a session, of its own.
        url: of the pages.
        width: of the window, in pixels.
    """

    def __init__(self, browser: Any, url: str, width: int = 1280) -> None:
        self.page = browser.new_context(viewport={"width": width, "height": 900}, accept_downloads=True).new_page()
        self.page.set_default_timeout(TIMEOUT)
        self.dialogs: list[str] = []
        self.foreign: list[str] = []
        """What was asked of other hosts: nothing, since a dashboard may stand where they cannot be reached."""
        self.page.on("dialog", self._dialog)
        self.page.on("request", lambda request: self._asked(request.url, url))
        self.page.goto(url)

    def _dialog(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def _asked(self, url: str, home: str) -> None:
        if not url.startswith((home, "data:", "blob:", home.replace("http", "ws", 1))):
            self.foreign.append(url)

    def field(self, label: str) -> Any:
        """The input of a field, by its label."""
        return self.page.get_by_label(label, exact=True).and_(self.page.locator("input"))

    def fill(self, label: str, text: str) -> None:
        """Type into a field."""
        self.field(label).fill(text)

    def press(self, name: str) -> None:
        """Press a button."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def open(self, tab: str) -> None:
        """Open a tab."""
        self.page.get_by_role("tab", name=tab, exact=True).click()

    def sees(self, text: str) -> None:
        """Wait until a text is visible."""
        self.page.get_by_text(text).locator("visible=true").first.wait_for()

    def loses(self, text: str) -> None:
        """Wait until a text is visible no more; a page that is drawn anew keeps the old one for a moment."""
        self.page.get_by_text(text).locator("visible=true").first.wait_for(state="detached")

    def holds(self, label: str, text: str) -> None:
        """Wait until a field holds a text; a page that is drawn anew has the old field beside it for a moment."""
        from playwright.sync_api import expect

        expect(self.field(label)).to_have_count(1, timeout=TIMEOUT)
        expect(self.field(label)).to_have_value(text, timeout=TIMEOUT)

    def download(self, name: str) -> bytes:
        """The bytes of what a button downloads."""
        with self.page.expect_download() as coming:
            self.press(name)
        return bytes(Path(coming.value.path()).read_bytes())
