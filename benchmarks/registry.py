"""How long `registry` takes to list 200 versions of an MLflow server over HTTP, imports left out."""

import contextlib
import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

from measuring import SLUG, in_project, in_turns, median, note, row

VERSIONS, GOAL = 200, 1.0


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """A real MLflow server on a free loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--artifacts-destination", str(folder)]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        while True:
            try:
                urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
                break
            except OSError:
                if process.poll() is not None:
                    sys.exit((folder / "log").read_text())
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def fill(address: str) -> None:
    """Versions as `train`, `promote` and the years leave them: a run each, metrics, tags, a history."""
    from mlflow import MlflowClient

    client = MlflowClient(address)
    experiment = client.create_experiment(SLUG)
    client.create_registered_model(SLUG)
    history = '[{"alias": "dev", "at": "2026-01-01T00:00:00+00:00", "by": "run", "before": "1"}]'
    for number in range(VERSIONS):
        run = client.create_run(experiment).info.run_id
        tags = {"test/rmse": f"{number}.5", "git.commit": "c" * 40, "data.sha256": "d" * 64, "history": history}
        client.create_model_version(SLUG, f"runs:/{run}/servable", run_id=run, tags=tags)
    for alias, number in {"dev": VERSIONS, "staging": 150, "prod": 149, "archived": 120}.items():
        client.set_registered_model_alias(SLUG, alias, str(number))


def measure() -> None:
    """Print the row."""
    compose = import_module(f"{SLUG}.utils.verb").compose
    registry = import_module(f"{SLUG}.cli.registry").registry

    def seconds() -> float:
        begin = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            registry(compose("registry", [f"mlflow.tracking_uri={address}"]))
        if len(printed.getvalue().splitlines()) != VERSIONS + 3:
            sys.exit(f"registry did not print {VERSIONS} versions:\n{printed.getvalue()}")
        return time.perf_counter() - begin

    with TemporaryDirectory() as folder, server(Path(folder)) as address:
        note(f"registering {VERSIONS} versions at {address}")
        fill(address)
        (found,) = in_turns(5, seconds)
    row(f"`registry`, {VERSIONS} versions on a server, s", median(found), f"≤ {GOAL:g}", sorted(found)[2] <= GOAL)


if __name__ == "__main__":
    in_project(measure)
