"""Processes that start as the manifests start them: they answer the probes, ask for keys, follow the alias and end."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pyarrow
import pyarrow.parquet
import pytest

from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry

from tests.manifests import Manifest, by_command, environment, everything, overrides
from tests.project import PACKAGE, environment_of, make_project
from tests.servables import ROWS, expected, write_servable
from tests.servers import Server, register, running

pytestmark = pytest.mark.slow
MANIFESTS = "staging"
KEY = "first-key"


@pytest.fixture
def manifests() -> list[Manifest]:
    return everything()[MANIFESTS]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path / "project")


@pytest.fixture
def uri(tmp_path: Path) -> str:
    """A registry whose version 1 of `house` holds the stage's alias."""
    store = f"sqlite:///{tmp_path}/mlflow.db"
    version = register(store, write_servable(tmp_path / "servable", wide=False))
    MlflowRegistry(store).set_alias(version, MANIFESTS)
    return store


def asked(server: Server, path: str) -> dict[str, object]:
    """The answer to somebody who has a key."""
    request = Request(f"http://127.0.0.1:{server.port}{path}", headers={"X-API-Key": KEY})
    with urlopen(request, timeout=30) as answer:
        found: dict[str, object] = json.load(answer)
    return found


def test_the_service(manifests: list[Manifest], project: Path, tmp_path: Path, uri: str) -> None:
    _, container = by_command(manifests, "python", "-m", "deployment.api")
    values = environment(manifests, container) | {"MODEL": "house", "MLFLOW_TRACKING_URI": uri, "SERVING_API_KEYS": KEY}
    here = ["serving.host=127.0.0.1", f"serving.cache_dir={tmp_path}/cache", "serving.drain_seconds=1"]
    given = [*overrides(manifests, container, MODEL="house"), *here, "serving.poll_seconds=0.1"]
    with running(project, *given, **values) as server:
        server.listening()
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert server.get(container[probe]["httpGet"]["path"])[0] == 200, probe
        assert server.get("/metrics")[0] == 200
        assert server.get("/model")[0] == 401
        served = asked(server, "/model")
        assert (served["reference"], served["version"], served["alias"]) == (
            f"models:/house@{MANIFESTS}",
            "1",
            MANIFESTS,
        )
        version = register(uri, write_servable(tmp_path / "better", wide=False, bias=5.0))
        MlflowRegistry(uri).set_alias(version, MANIFESTS)
        server.until("/metrics", lambda _, text: 'version="2"' in text)
        assert asked(server, "/model")["version"] == "2"
        assert server.end(signal.SIGTERM) == 0
        assert "draining for 1 s: /health/ready answers 503" in server.log
        lines = [json.loads(line) for line in server.log.splitlines()]
    assert all(isinstance(line, dict) for line in lines)
    assert KEY not in server.log
    assert not (project / "outputs").exists(), "nothing is written but to the volumes"


def test_batch_scoring(manifests: list[Manifest], project: Path, tmp_path: Path, uri: str) -> None:
    _, container = by_command(manifests, "python", "-m", f"{PACKAGE}.cli.predict")
    rows = [ROWS[0], ROWS[4]]  # of one type in every column
    columns = {name: [row[name] for row in rows] for name in rows[0] if name != "history"}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "input.parquet")
    here = [f"input={tmp_path}/input.parquet", f"output={tmp_path}/scored.parquet"]
    values = environment(manifests, container) | {"MODEL": "house", "MLFLOW_TRACKING_URI": uri}
    command = [sys.executable, *container["command"][1:], *overrides(manifests, container, MODEL="house"), *here]
    done = subprocess.run(command, cwd=project, env=environment_of(**values), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    scored = pyarrow.parquet.read_table(tmp_path / "scored.parquet")
    want = expected(rows, wide=False)["price_prediction"][:, 0]
    assert scored["price_prediction"].to_pylist() == pytest.approx(want.tolist(), rel=1e-5)
