"""What goes wrong in real projects: odd names, missing rights, signals, races. One line each, and nothing lost."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml

from {{ cookiecutter.project_slug }}.cli.evaluate import evaluate
from {{ cookiecutter.project_slug }}.cli.train import train
from {{ cookiecutter.project_slug }}.integrations.mlflow_store import shown
from {{ cookiecutter.project_slug }}.ports import UserError

from tests.project import FAST, composed, environment_of, make_project, run_verb, store

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(make_project(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store())
    return tmp_path


def table(folder: Path, frame: pd.DataFrame, target: str, task: str, kinds: dict[str, str]) -> list[str]:
    """Write a table with its configuration, and return the overrides that choose it."""
    frame.to_csv(folder / "own.csv", index=False)
    columns = {name: {"kind": kind} for name, kind in kinds.items()}
    data = {
        "defaults": ["base", "_self_"],
        "name": "own",
        "path": "own.csv",
        "target": target,
        "task": task,
        "columns": columns,
    }
    (folder / "config/data/own.yaml").write_text(yaml.safe_dump(data, allow_unicode=True))
    experiment = {"defaults": [{"override /data": "own"}, {"override /model": "linear"}], "description": "own"}
    text = "# @package _global_\n" + yaml.safe_dump(experiment | {"mlflow": {"experiment": "own", "model": "own"}})
    (folder / "config/experiment/own.yaml").write_text(text)
    return ["experiment=own", *FAST]


def numbers(rows: int = 400) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(rows, 2))


def test_names_that_libraries_stumble_over(project):
    x = numbers()
    names = ["features", "cost_$_x_$", "class", "größe/m²", "prediction"]
    frame = pd.DataFrame({name: x[:, position % 2] + position for position, name in enumerate(names)})
    frame["price_$/m_$"] = x @ [3.0, -2.0]
    overrides = table(project, frame, "price_$/m_$", "regression", dict.fromkeys(frame.columns, "number"))
    version = train(composed("train", *overrides))
    metrics = mlflow.MlflowClient(store()).get_run(version.run_id).data.metrics
    assert metrics["test/r2"] > 0.99
    assert metrics["export/parity"] <= 1


@pytest.mark.parametrize("constant", [0.1, 36.6, 1e9 + 0.1])
def test_a_constant_column_does_not_amplify_noise(project, constant):
    x = numbers()
    frame = pd.DataFrame({"x": x[:, 0], "k": constant, "y": x[:, 0]})
    overrides = table(project, frame, "y", "regression", dict.fromkeys(frame.columns, "number"))
    version = train(composed("train", *overrides))
    mlflow.set_tracking_uri(store())
    model = mlflow.pyfunc.load_model(f"models:/own/{version.version}")
    answers = model.predict(pd.DataFrame({"x": [0.5, 0.5], "k": [constant, constant + 1.0]}))["y_prediction"]
    assert abs(answers[1] - answers[0]) < 0.1
    assert answers[0] == pytest.approx(0.5, abs=0.05)


def test_the_incumbent_of_other_classes_is_not_compared(project):
    x = numbers()
    two = pd.DataFrame({"x": x[:, 0], "z": x[:, 1], "c": np.where(x[:, 0] > 0, "up", "down")})
    kinds = {"x": "number", "z": "number", "c": "category"}
    first = train(composed("train", *table(project, two, "c", "classification", kinds)))
    mlflow.MlflowClient(store()).set_registered_model_alias("own", "prod", first.version)
    three = two.assign(c=np.where(x[:, 1] > 1, "side", two["c"]))
    train(composed("train", *table(project, three, "c", "classification", kinds)))
    assert list(evaluate(composed("evaluate", "mlflow.model=own"))) == ["models:/own@dev"]


def test_a_training_that_diverges_says_so(project):
    with pytest.raises(
        UserError, match=r"^the loss is not finite from the first epoch on: lower trainer\.learning_rate$"
    ):
        train(composed("train", *FAST, "trainer.learning_rate=1e30"))


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("data.processed_dir=/dev/null/x", "error: /dev/null/x: Not a directory"),
        ("hydra.run.dir=/dev/null/x", "error: /dev/null/x: Not a directory"),
        ("model.hidden=5", "error: model: 'int' object is not iterable"),
        ("mlflow.tracking_uri=http://bob:hunter2@127.0.0.1:9", "error: MLflow at http://***@127.0.0.1:9: no answer: is the server running, and MLFLOW_TRACKING_URI right?"),  # pragma: allowlist secret
    ],
)  # fmt: skip
def test_one_line_and_exit_code_1(project, override, line):
    done = run_verb(project, "train", override, MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == line
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr + done.stdout


def test_passwords_are_not_shown():
    assert shown("postgresql://user:pw@host/db") == "postgresql://***@host/db"  # pragma: allowlist secret
    assert shown("http://bob:p@ss@host:5000") == "http://***@host:5000"
    assert shown("sqlite:///mlflow.db") == "sqlite:///mlflow.db"
    assert shown("http://127.0.0.1:5000") == "http://127.0.0.1:5000"


def test_a_model_without_a_converter_trains_where_no_version_is_wanted(project):
    other = ["model=linear", "~model.regressor.alpha", "model.regressor._target_=sklearn.svm.SVR"]
    assert train(composed("train", *FAST, *other, "mlflow.register=false")) is None
    (run,) = mlflow.MlflowClient(store()).search_runs(["1"])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["test/rmse"] > 0


def test_a_run_that_is_not_registered_still_holds_its_servable(project):
    assert train(composed("train", *FAST, "model=linear", "mlflow.register=false")) is None
    client = mlflow.MlflowClient(store())
    (run,) = client.search_runs(["1"])
    folder = Path(mlflow.artifacts.download_artifacts(run.data.tags["servable"], tracking_uri=store()))
    assert json.loads((folder / "contract.json").read_text())["targets"][0]["name"] == "progression"
    assert client.search_registered_models() == []


def test_sigterm_ends_the_run_as_killed(project):
    slow = ["model=random_forest", "model.regressor.n_estimators=200000", "progress=false"]
    command = [sys.executable, "-m", train.__module__, *slow]
    process = subprocess.Popen(command, cwd=project, env=environment_of(), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not [*project.glob("mlruns/1/*/artifacts/config.yaml")]:
        time.sleep(0.1)  # what a run logs last before it fits
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "interrupted"
    (run,) = mlflow.MlflowClient(f"sqlite:///{project / 'mlflow.db'}").search_runs(["1"])
    assert run.info.status == "KILLED"


def test_two_first_trainings_at_once_both_arrive(project):
    command = [sys.executable, "-m", train.__module__, *FAST, "model=linear"]
    both = [
        subprocess.Popen(command, cwd=project, env=environment_of(), stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    errors = [process.communicate(timeout=180)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    client = mlflow.MlflowClient(store())
    (model,) = client.search_registered_models()
    versions = {str(found.version) for found in client.search_model_versions(f"name='{model.name}'")}
    assert versions == {"1", "2"}
    assert str(client.get_registered_model(model.name).aliases["dev"]) in versions
