"""The gate on deployment: the service boots on the version in a fresh process and answers its golden rows over HTTP."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

import numpy as np

from ..inference.engine import GOLDEN_FILE, Engine
from ..inference.parity import disagreement
from ..ports import Place, UserError
from ..utils.instantiate import build
from .case import Case, Verdict

ROWS = 32
"""Golden rows in one request."""
ADDRESS = re.compile(r" at (http://127\.0\.0\.1:\d+), docs at ")
"""What the service logs once it listens."""
OPENER = build_opener(ProxyHandler({}))
"""Straight to this machine, whatever proxy the environment names."""


@dataclass(frozen=True)
class DeployableGate:
    """The HTTP service of this repository starts on the servable, and answers as training did; so do other places.

    Args:
        seconds: how long it may take to become ready.
        places: what else must answer, a `_target_` by name; None: nothing, and none of a name: that one is off.
    """

    seconds: float
    places: Mapping[str, Mapping[str, Any] | None] | None

    def check(self, case: Case) -> Verdict:
        """Asks the service, and then the other places."""
        verdict = self._service(case)
        for name, node in (self.places or {}).items():
            place: Place | None = build(node) if node else None
            said, passed = "switched off", verdict.passed
            if place is not None:
                try:
                    said = place.check(case.candidate.folder, case.version.version)
                except UserError as error:
                    said, passed = str(error), False
            verdict = Verdict(passed, f"{verdict.reason}; {name}: {said}", verdict.figures)
        return verdict

    def _service(self, case: Case) -> Verdict:
        """Starts `deployment.api` on a free loopback port, asks it the golden rows, and ends it."""
        folder = str(case.candidate.folder).replace("'", "\\'")
        settings = [f"serving.reference='{folder}'", "serving.host=127.0.0.1", "serving.port=0"]
        says_where = ["logging=console", "logging.level=INFO", "logging.file=null"]
        command = [sys.executable, "-m", "deployment.api", *settings, *says_where]
        # The same code as this process, and none of the settings of a service that may run beside it.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SERVING_")}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        begin = time.monotonic()
        with TemporaryDirectory() as scratch, (Path(scratch) / "log").open("wb") as file:
            log = Path(file.name)
            service = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
            try:
                address = self._ready(service, log, begin + self.seconds)
                if address is None and service.poll() is None:
                    return Verdict(False, f"the service was not ready after {self.seconds:g} s: see the gate's seconds")
                if address is None:
                    return Verdict(False, f"the service did not start: {_complaint(log)}")
                figures = {"seconds_to_ready": time.monotonic() - begin}
                off = _golden_off(case.candidate, f"{address}/predict")
            finally:
                service.kill()
                service.wait()
        if (off > 1).any():
            return Verdict(False, f"{int((off > 1).sum())} of {len(off)} golden rows differ over HTTP", figures)
        ready = f"ready in {figures['seconds_to_ready']:.1f} s"
        return Verdict(True, f"the service was {ready} and answered {len(off)} golden rows", figures)

    def _ready(self, service: "subprocess.Popen[bytes]", log: Path, deadline: float) -> str | None:
        """The service's address once it is ready; None where it ends, or is not ready in time."""
        while service.poll() is None and time.monotonic() < deadline:
            found = ADDRESS.search(log.read_text(encoding="utf-8", errors="replace"))
            if found and _answers(f"{found[1]}/health/ready"):
                return found[1]
            time.sleep(0.05)
        return None


def _answers(url: str) -> bool:
    try:
        OPENER.open(url, timeout=5).close()
    except (URLError, ConnectionError, TimeoutError):
        return False
    return True


def _complaint(log: Path) -> str:
    """The line that says why a process ended."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return next((line for line in lines if line.startswith("error: ")), lines[-1] if lines else "it said nothing")


def _golden_off(engine: Engine, url: str) -> np.ndarray:
    """How far each golden row is off over HTTP, as a multiple of the tolerance, `[M]`."""
    document = json.loads((engine.folder / GOLDEN_FILE).read_text(encoding="utf-8"))
    target = engine.contract.target
    columns: dict[str, list[Any]] = document["inputs"]
    rows = len(next(iter(columns.values())))
    got: dict[str, list[Any]] = {name: [] for name in document["outputs"]}
    for start in range(0, rows, ROWS):
        part = {name: cells[start : start + ROWS] for name, cells in columns.items()}
        request = Request(url, json.dumps({"columns": part}).encode(), {"Content-Type": "application/json"})
        try:
            with OPENER.open(request, timeout=60) as response:
                answer = json.load(response)["predictions"]
        except HTTPError as error:
            raise UserError(f"golden rows from {start} on are refused over HTTP: {error.read().decode()}") from None
        for name, values in got.items():
            of_rows = answer[name]
            if isinstance(of_rows, dict):  # probabilities by class
                of_rows = list(zip(*(of_rows[str(label)] for label in target.classes or ()), strict=True))
            values += [list(row) if isinstance(row, tuple | list) else [row] for row in of_rows]
    arrays = {name: np.array(values, object if isinstance(values[0][0], str) else None) for name, values in got.items()}
    return disagreement(arrays, {name: np.array(v) for name, v in document["outputs"].items()}, target)
