"""Real processes of the HTTP service, on free ports of the loopback address; and registries that they follow."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.integrations import mlflow_tracking
from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry
from {{ cookiecutter.project_slug }}.ports import Version
from {{ cookiecutter.project_slug }}.schemas.config import MlflowConfig

from tests.project import ROOT, environment_of
from tests.servables import ROWS

PATIENCE = 120
"""Seconds after which a server that does not come up is given up."""


class Server:
    """One process of the service; what it writes is in `log`.

    Args:
        project: the folder that it runs in.
        overrides: of `config/serve.yaml`.
        environment: further variables.
    """

    def __init__(self, project: Path, *overrides: str, **environment: str) -> None:
        self._path = project / "server.log"
        path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
        command = [sys.executable, "-m", "deployment.api", "serving.port=0", *overrides]
        with self._path.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=project, env=environment_of(PYTHONPATH=path, **environment), stdout=log, stderr=log
            )
        self.port = 0

    @property
    def log(self) -> str:
        """What it wrote so far."""
        return self._path.read_text(encoding="utf-8")

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until it has written what the pattern finds."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found, ended = re.search(pattern, self.log), self.process.poll() is not None
            if found:
                return found
            assert not ended, self.log
            time.sleep(0.05)
        raise AssertionError(f"{pattern!r} does not come:\n{self.log}")

    def listening(self) -> "Server":
        """Wait until it answers: from then on it also hears signals."""
        self.port = int(self.wait_for(r"serving .+ at http://127\.0\.0\.1:(\d+), ")[1])
        assert self.get("/health/live") == (200, {"status": "live"})
        return self

    def connect(self) -> http.client.HTTPConnection:
        """A new connection."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON, or text, of a GET."""
        connection = self.connect()
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            text = response.read().decode()
            return response.status, text if path == "/metrics" else json.loads(text)
        finally:
            connection.close()

    def until(self, path: str, accept: Any) -> Any:
        """Ask until the answer is accepted."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            status, document = self.get(path)
            if accept(status, document):
                return document
            time.sleep(0.05)
        raise AssertionError(f"{path} answers {status} {document}\n{self.log}")

    def end(self, sig: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, and return the exit code."""
        self.process.send_signal(sig)
        return self.process.wait(PATIENCE)


@contextmanager
def running(project: Path, *overrides: str, **environment: str) -> Iterator[Server]:
    """A server that is killed in the end."""
    server = Server(project, *overrides, **environment)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()


def register(uri: str, folder: Path) -> Version:
    """A new version of the model that the servable names, under `dev`."""
    registry = MlflowRegistry(uri)
    config = MlflowConfig(tracking_uri=uri, experiment="house", model="house", register=True, tags={})
    with mlflow_tracking.run(config, "hand-made") as run:
        version = registry.register(run, folder, {})
    registry.set_alias(version, "dev")
    return version


def prices(folder: Path) -> list[float]:
    """What a servable answers to ROWS."""
    answers = Engine(folder).run({name: [row[name] for row in ROWS] for name in ROWS[0]})
    return [float(value) for value in answers["price_prediction"][:, 0]]
