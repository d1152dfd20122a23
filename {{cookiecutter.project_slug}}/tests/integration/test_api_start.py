"""How the HTTP service starts: what it refuses to serve, settings from the environment, a process, a registry."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.integrations import mlflow_tracking
from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.config import MlflowConfig

from deployment.api.app import create_app
from tests.project import PACKAGE, ROOT, environment_of, make_project
from tests.servables import ROWS, serving, write_servable


def damaged(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def unanswerable(tmp_path: Path) -> Path:
    """A servable whose golden answers are another model's."""
    folder, other = write_servable(tmp_path / "a"), write_servable(tmp_path / "b", bias=1.0)
    contract = json.loads((folder / "contract.json").read_text(encoding="utf-8"))
    contract["digests"]["golden.json"] = json.loads((other / "contract.json").read_text())["digests"]["golden.json"]
    (folder / "golden.json").write_bytes((other / "golden.json").read_bytes())
    return damaged(folder, "contract.json", json.dumps(contract))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path / "absent", "neither a directory nor models:/"),
        (lambda path: path, "is not a servable: it has no contract.json"),
        (lambda path: damaged(write_servable(path / "a"), "model.onnx", "x"), "is not the file that was trained"),
        (unanswerable, "4 of 5 golden rows differ; row 2 of price by"),
    ],
)
def test_what_cannot_be_served(tmp_path: Path, make: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        create_app(serving(make(tmp_path)))
    assert len(str(caught.value).splitlines()) == 1


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = make_project(tmp_path)
    monkeypatch.chdir(folder)
    monkeypatch.setattr("deployment.api.app.configure", lambda _: None)  # this process's logging stays as it is
    return folder


def test_the_factory_reads_the_environment(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_servable(project / "with space")
    monkeypatch.setenv("SERVING_OVERRIDES", f"'serving.reference=\"{folder}\"' serving.threads=2 logging.level=WARNING")
    assert TestClient(create_app()).get("/model").json()["reference"] == str(folder)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("serving.reference=absent", "error: 'absent' is neither a directory nor models:/<name>@<alias> nor "
         "models:/<name>/<version>"),
        ("serving.prot=1", "error: there is no key 'serving.prot'"),
        ("serving.port=70000", "error: config: serving.port: Input should be less than or equal to 65535, not 70000"),
        ("'serving.port=1", "error: cannot read SERVING_OVERRIDES (No closing quotation): quote it as for a shell"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("project")
def test_a_mistake_in_the_environment_is_one_line(
    monkeypatch: pytest.MonkeyPatch, overrides: str, message: str
) -> None:
    monkeypatch.setenv("SERVING_OVERRIDES", overrides)
    with pytest.raises(SystemExit) as caught:
        create_app()
    assert isinstance(caught.value.code, str)  # printed, and exit code 1
    assert message in caught.value.code
    assert len(caught.value.code.splitlines()) == 1


HEAVY = {"alembic", "lightning", "matplotlib", "mlflow", "pandas", "pyarrow", "scipy", "sklearn", "torch", "xgboost"}
PARTS = {"cli", "data", "evaluation", "features", "models", "training"}


def with_deployment() -> dict[str, str]:
    return environment_of(PYTHONPATH=os.pathsep.join((str(ROOT / "src"), str(ROOT))))


@pytest.mark.slow
def test_a_directory_is_served_without_training_libraries(project: Path) -> None:
    folder = write_servable(project / "servable")
    code = "import json, sys; from deployment.api.app import create_app; create_app().openapi(); "
    code += "print(json.dumps(list(sys.modules)))"
    environment = with_deployment() | {"SERVING_OVERRIDES": f"serving.reference={folder}"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=True)
    modules = set(json.loads(done.stdout))
    assert {"deployment.api.served", "fastapi", "onnxruntime"} <= modules
    assert modules & (HEAVY | {f"{PACKAGE}.{part}" for part in PARTS}) == set()


@pytest.fixture
def server(project: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A real process on a free port; what it writes is in server.log."""
    folder = write_servable(project / "servable")
    command = [sys.executable, "-m", "deployment.api", f"serving.reference={folder}", "serving.port=0"]
    with (project / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=project, env=with_deployment(), stdout=log, stderr=log)
    yield process
    process.kill()
    process.wait()


@pytest.mark.slow
def test_a_process_says_where_it_listens_and_answers(server: subprocess.Popen[bytes], project: Path) -> None:
    found, deadline = None, time.monotonic() + 60
    while found is None and time.monotonic() < deadline and server.poll() is None:
        time.sleep(0.1)
        found = re.search(r"serving (.+) at (http://127\.0\.0\.1:\d+), docs at \2/docs\n", log_of(project))
    assert found, log_of(project)
    assert found[1] == str(project / "servable")
    assert fetch(found[2] + "/health/ready") == {"status": "ready"}
    answer = fetch(found[2] + "/predict", {"records": ROWS})
    values = Engine(project / "servable").run({name: [row[name] for row in ROWS] for name in ROWS[0]})
    assert [row["price_prediction"] for row in answer["predictions"]] == values["price_prediction"][:, 0].tolist()
    taken = [sys.executable, "-m", "deployment.api", f"serving.reference={found[1]}", "serving.port=" + found[2][17:]]
    second = subprocess.run(taken, cwd=project, env=with_deployment(), capture_output=True, text=True)
    assert second.returncode == 1
    assert second.stderr == (
        f"error: cannot listen on {found[2][7:]} (Address already in use): set serving.host or serving.port\n"
    )
    os.kill(server.pid, signal.SIGTERM)
    server.wait(timeout=30)
    assert "Traceback" not in log_of(project)
    assert sorted(path.name for path in project.iterdir()) == ["config", "servable", "server.log"]


def fetch(url: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(url, data, timeout=30) as response:
        return json.load(response)


def log_of(project: Path) -> str:
    return (project / "server.log").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_process_that_cannot_start_says_so_in_one_line(project: Path) -> None:
    command = [sys.executable, "-m", "deployment.api", "serving.reference=absent"]
    done = subprocess.run(command, cwd=project, env=with_deployment(), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: 'absent' is neither a directory nor models:/<name>@<alias>")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_registered_version_is_named_in_every_answer(project: Path) -> None:
    store = serving("").tracking_uri
    registry = MlflowRegistry(store, project / "cache")
    with mlflow_tracking.run(
        MlflowConfig(tracking_uri=store, experiment="house", model="house", register=True, tags={}), "hand-made"
    ) as run:
        versions = [registry.register(run, write_servable(project / f"v{n}", bias=float(n)), {}) for n in (1, 2)]
    registry.set_alias(versions[1], "dev")
    values = {}
    for reference, version, alias in (("models:/house@dev", "2", "dev"), ("models:/house/1", "1", None)):
        client = TestClient(create_app(serving(reference)))
        answer = client.post("/predict", json={"records": [{"age": 1}]}).json()
        assert answer["model"] == {"name": "house", "version": version, "alias": alias}
        values[version] = answer["predictions"][0]["price_prediction"]
        described = client.get("/model").json()
        assert described["run_id"] == versions[int(version) - 1].run_id
        assert {key: described[key] for key in ("name", "version", "alias")} == answer["model"]
        assert client.get("/openapi.json").json()["info"] == {
            "title": "house", "version": version, "description": f"Serves {reference} (version {version}).",
        }  # fmt: skip
    assert values["2"] - values["1"] == 1.0
    with pytest.raises(UserError, match="has the alias 'prod'; aliases that are set: dev"):
        create_app(serving("models:/house@prod"))
