"""Two versions with a service for each, whose pages a person fills in and reads; rows and tables for them."""

import io
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry
from {{ cookiecutter.project_slug }}.ports import Version

from tests.dashboards import HTML, TIMEOUT, write_biting_servable
from tests.project import make_project
from tests.servables import CITY, ROWS, expected
from tests.servers import Server, register

KEY = "right"
QUICK = ("serving.poll_seconds=0.2", "serving.drain_seconds=0", "logging.level=WARNING")
RECORD = {name: cell for name, cell in ROWS[0].items() if name != "history"}
TYPICAL = {"age": 41.5, "rooms per house": 4, "is.new": True, "seen at": 1.6e9, CITY: "süd", "income": 2.0}
"""What the form begins with."""
ODD = "<b>größte</b> **Abweichung** _0.1_ $a$ `b` [c](http://d) :red[e] ~~f~~ &amp; 1. # g http://h:1/i"
REPORT = """{"model": "house", "version": "%s", "to": "%s", "incumbent": null, "by": "CI (woodpecker)",
"at": "2026-01-02T03:04:05+00:00", "passed": true, "gates": [
{"gate": "parity", "verdict": "passed", "reason": "ODD", "figures": {}},
{"gate": "latency", "verdict": "off", "reason": "switched off in the configuration", "figures": {}}]}"""


class World:
    """Two versions in a registry, a service for each alias, and the pages that show both."""

    def __init__(self, project: Path) -> None:
        self.project, self.uri = project, f"sqlite:///{project / 'mlflow.db'}"
        self.folders = [write_biting_servable(project / f"v{bias}", bias=float(bias)) for bias in (0, 3)]
        self.versions = [register(self.uri, folder) for folder in self.folders]
        registry = MlflowRegistry(self.uri)
        for version, alias, rmse in zip(self.versions, ("prod", "staging"), ("5.25", "4.5"), strict=True):
            registry.tag(
                version, {"test/rmse": rmse, f"promotion.{alias}": f"passed: promotion/{version.version}/{alias}.md"}
            )
            report = project / f"{alias}.json"
            report.write_text(REPORT.replace("ODD", ODD) % (version.version, alias), encoding="utf-8")
            registry.attach(version, report, f"promotion/{version.version}")
            registry.set_alias(version, alias)
        self.services = {alias: self.start(alias) for alias in ("prod", "staging")}
        for running in self.services.values():
            running.listening()

    def start(self, alias: str, port: int = 0) -> Server:
        """A process of the service."""
        folder = self.project / alias
        if not folder.exists():
            make_project(folder)
        overrides = (f"serving.reference=models:/house@{alias}", f"serving.port={port}", *QUICK[:2])
        return Server(folder, *overrides, SERVING_API_KEYS=KEY, MLFLOW_TRACKING_URI=self.uri)

    def url(self, alias: str) -> str:
        """Where the service of an alias is."""
        return f"http://127.0.0.1:{self.services[alias].port}"

    def move(self, alias: str, version: Version) -> None:
        """Point an alias elsewhere."""
        MlflowRegistry(self.uri).set_alias(version, alias)

    def end(self) -> None:
        """Kill what still runs."""
        for running in self.services.values():
            running.process.kill()
            running.process.wait()


def enter(pages: Any) -> None:
    """RECORD, as a person fills it in."""
    pages.fill("id", "a-1")
    pages.fill("age (years) *", "30")
    pages.fill("rooms per house", "3")
    pages.choose("is.new", "true")
    pages.fill("seen at", "2020-09-13T12:26:40Z")
    pages.choose(CITY, "süd")
    pages.fill("income ($)", "4.25")


def price(record: dict[str, Any] = TYPICAL, **changed: Any) -> float:
    return float(expected([record | changed], wide=False)["price_prediction"][0, 0])


def shows(pages: Any, value: float) -> None:
    """Wait until the prediction is there and is this one; while a page is drawn anew the one before may stand there."""
    text = f"{value:.5g} k$"
    pages.page.wait_for_function("text => document.body.innerText.includes(text)", arg=text)
    deadline = time.monotonic() + TIMEOUT / 1000
    while pages.predicted() != text and time.monotonic() < deadline:
        pages.page.wait_for_timeout(100)
    assert pages.predicted() == text


def table(path: Path) -> Path:
    """A file with rows that fit, rows that do not, and keys that would be HTML elsewhere."""
    rows = [*ROWS, ROWS[0] | {"age": "old", "id": HTML}, ROWS[1] | {"age": None, "id": "☂"}, *ROWS]
    columns = {n: pa.array([None if row[n] is None else str(row[n]) for row in rows]) for n in RECORD}
    pyarrow.csv.write_csv(pa.table(columns | {"note": pa.array([HTML] * len(rows))}), path)
    return path


def cells(data: bytes) -> dict[str, list[Any]]:
    found = pyarrow.csv.read_csv(io.BytesIO(data))
    return {name: found[name].to_pylist() for name in found.column_names}
