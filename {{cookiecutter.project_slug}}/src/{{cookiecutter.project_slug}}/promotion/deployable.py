"""The gate on deployment: the service boots on the version in a fresh process and answers its golden rows over HTTP."""

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import numpy as np

from ..inference.engine import GOLDEN_FILE, Engine
from ..inference.parity import disagreement
from ..ports import UserError
from .case import Case, Verdict

ROWS = 32
"""Golden rows in one request."""


@dataclass(frozen=True)
class DeployableGate:
    """The HTTP service of this repository starts on the servable, and answers as training did.

    Args:
        seconds: how long it may take to become ready.
    """

    seconds: float

    def check(self, case: Case) -> Verdict:
        """Starts `deployment.api` on a free loopback port, asks it the golden rows, and ends it."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        overrides = [f"serving.reference='{case.candidate.folder}'", f"serving.port={port}", "logging.level=WARNING"]
        command = [sys.executable, "-m", "deployment.api", *overrides]
        # The same code as this process, and none of the settings of a service that may run beside it.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SERVING_")}
        environment["PYTHONPATH"] = os.pathsep.join(["", *sys.path]).lstrip(os.pathsep)
        begin = time.monotonic()
        with TemporaryDirectory() as folder, (Path(folder) / "log").open("w+b") as log:
            service = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                if not self._ready(service, f"http://127.0.0.1:{port}/health/ready", begin + self.seconds):
                    log.seek(0)
                    said = log.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
                    return Verdict(False, f"the service did not start: {said[-1]}")
                figures = {"seconds_to_ready": time.monotonic() - begin}
                off = _golden_off(case.candidate, f"http://127.0.0.1:{port}/predict")
            finally:
                service.kill()
                service.wait()
        if (off > 1).any():
            return Verdict(False, f"{int((off > 1).sum())} of {len(off)} golden rows differ over HTTP", figures)
        ready = f"ready in {figures['seconds_to_ready']:.1f} s"
        return Verdict(True, f"the service was {ready} and answered {len(off)} golden rows", figures)

    def _ready(self, service: "subprocess.Popen[bytes]", url: str, deadline: float) -> bool:
        while service.poll() is None and time.monotonic() < deadline:
            with suppress(URLError, ConnectionError, TimeoutError), urlopen(url, timeout=5):
                return True
            time.sleep(0.05)
        return False


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
            with urlopen(request, timeout=60) as response:
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
