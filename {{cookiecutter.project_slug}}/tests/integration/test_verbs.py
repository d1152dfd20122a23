"""Every verb, in process and as a process, against the embedded store and a real MLflow server."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from {{ cookiecutter.project_slug }}.cli.cv import cv
from {{ cookiecutter.project_slug }}.cli.evaluate import evaluate
from {{ cookiecutter.project_slug }}.cli.fetch import fetch
from {{ cookiecutter.project_slug }}.cli.predict import predict
from {{ cookiecutter.project_slug }}.cli.prepare import prepare
from {{ cookiecutter.project_slug }}.cli.train import train
from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry
from {{ cookiecutter.project_slug }}.ports import AliasMovedError, UserError
from {{ cookiecutter.project_slug }}.promotion.case import Case
from {{ cookiecutter.project_slug }}.promotion.security import SecurityGate
from {{ cookiecutter.project_slug }}.schemas.resolved import (
    CONFIG_FILE,
    config_digest,
    read_resolved,
)

from tests.ports import free_ports
from tests.project import FAST, composed, environment_of, make_project, run_verb, store
from tests.repositories import first_commit

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The default experiment, trained once on the embedded store."""
    folder = make_project(tmp_path_factory.mktemp("trained"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", store())
        version = train(composed("train", *FAST))
    return folder, version


@pytest.fixture
def project(trained, monkeypatch):
    folder, version = trained
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store())
    return folder, version


def test_train_logs_what_it_did_and_registers_under_dev(project):
    _, version = project
    client = mlflow.MlflowClient(store())
    run = client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert {"train/rmse", "val/mae", "test/mape", "test/r2", "test/mse_scaled", "val/loss"} <= set(run.data.metrics)
    assert [point.step for point in client.get_metric_history(version.run_id, "val/loss")] == [0, 1, 2]
    assert run.data.metrics["export/parity"] <= 1
    assert run.data.params["trainer.max_epochs"] == "3"
    assert run.data.params["features.scale"] == "standard"
    assert len(run.data.tags["data.sha256"]) == 64
    assert run.data.tags["git.commit"] == run.data.tags["lock.sha256"] == "unknown"
    figures = {artifact.path for artifact in client.list_artifacts(version.run_id, "figures")}
    names = ("learning_curve", "predicted_against_actual", "feature_importance")
    assert figures == {f"figures/{name}.png" for name in names}
    resolved = mlflow.artifacts.load_text(f"runs:/{version.run_id}/config.yaml")
    assert "max_epochs: 3" in resolved
    number = run.data.tags["data.rows.test"]
    card = mlflow.artifacts.load_text(f"runs:/{version.run_id}/model_card.md")
    assert f"- Rows: {run.data.tags['data.rows']} (" in card
    assert f"{number} held out)" in card
    described = client.get_model_version(version.name, version.version).description
    assert described.endswith(
        f" on the held-out part of {number} rows. Model card: model_card.md of run {version.run_id}."
    )
    assert client.get_registered_model(version.name).aliases["dev"] in (1, "1")  # sqlite answers a number


def test_what_is_kept_of_a_run_is_what_the_gates_look_for(project, tmp_path):
    _, version = project
    registry = MlflowRegistry(store(), tmp_path)
    engine = Engine(registry.download(version))
    kept = read_resolved(registry.attached(version, CONFIG_FILE))
    assert config_digest(kept) == engine.contract.provenance.config
    case = Case(version, "FINISHED", engine, incumbent=None, new_major=False)
    assert SecurityGate().check(case).passed


def test_the_registered_model_is_a_servable_with_two_flavours(project):
    _, version = project
    folder = MlflowRegistry(store(), Path("outputs/servables")).download(version)
    flavours = mlflow.models.get_model_info(f"models:/{version.name}@dev").flavors
    assert set(flavours) == {"onnx", "python_function"}
    assert flavours["python_function"]["loader_module"].startswith("servable_wire_")
    assert not [path for path in folder.rglob("*") if path.suffix in (".pkl", ".pickle", ".joblib")]
    Engine(folder).check_golden()


def test_an_alias_that_another_process_moves_at_the_same_time_is_noticed(project, monkeypatch):
    _, version = project
    registry = MlflowRegistry(store())
    monkeypatch.setattr(registry, "_remember", lambda *_, **__: None)
    monkeypatch.setattr(registry._client, "set_registered_model_alias", lambda *_: None)  # the other's write came last
    with pytest.raises(AliasMovedError, match=r": dev was set to version 99, and reads \d+$"):
        registry.set_alias(replace(version, version="99"), "dev")


def test_predict_scores_a_file_as_pyfunc_does(project):
    _, version = project
    raw = next(Path("data/raw").glob("diabetes-*.csv"))
    assert predict(composed("predict", f"input={raw}", "output=outputs/p.parquet", "rows=100")) == 442
    scored = pd.read_parquet("outputs/p.parquet")
    mlflow.set_tracking_uri(store())
    expected = mlflow.pyfunc.load_model(f"models:/{version.name}@dev").predict(pd.read_csv(raw))
    np.testing.assert_allclose(scored["progression_prediction"], expected["progression_prediction"], rtol=1e-5)


def test_evaluate_repeats_the_test_metrics_of_training(project, capsys):
    _, version = project
    found = evaluate(composed("evaluate"))
    metrics = found[f"models:/{version.name}@dev"]
    logged = mlflow.MlflowClient(store()).get_run(version.run_id).data.metrics
    assert metrics["rmse"] == pytest.approx(logged["test/rmse"], rel=1e-5)
    assert metrics["r2"] == pytest.approx(logged["test/r2"], rel=1e-4)
    assert "87 held-out rows" in capsys.readouterr().out


def test_evaluate_stands_the_incumbent_beside_it(project):
    _, version = project
    mlflow.MlflowClient(store()).set_registered_model_alias(version.name, "prod", version.version)
    found = evaluate(composed("evaluate"))
    assert found[f"models:/{version.name}@dev"] == found[f"models:/{version.name}@prod"]


def test_cv_is_repeatable_and_logs_mean_and_deviation(project):
    first = cv(composed("cv", "model=linear", "evaluation.folds=3"))
    assert first == cv(composed("cv", "model=linear", "evaluation.folds=3"))
    assert 50 < first["cv/rmse_mean"] < 62
    assert 0 < first["cv/rmse_std"] < 10
    runs = mlflow.MlflowClient(store()).search_runs(["1"], "attributes.run_name = 'cv'")
    history = mlflow.MlflowClient(store()).get_metric_history(runs[0].info.run_id, "cv/rmse")
    assert np.mean([point.value for point in history]) == pytest.approx(first["cv/rmse_mean"])


def test_cv_without_the_heldout_rows_differs(project):
    every = cv(composed("cv", "model=linear", "evaluation.folds=3"))
    without = cv(composed("cv", "model=linear", "evaluation.folds=3", "heldout=false"))
    assert every["cv/rmse_mean"] != without["cv/rmse_mean"]


def test_fetch_and_prepare_twice_change_nothing(project):
    raw = fetch(composed("fetch"))
    table = prepare(composed("prepare"))
    stamps = raw.stat().st_mtime_ns, (table.folder / "table.parquet").stat().st_mtime_ns
    assert fetch(composed("fetch")) == raw
    again = prepare(composed("prepare"))
    assert (raw.stat().st_mtime_ns, (again.folder / "table.parquet").stat().st_mtime_ns) == stamps


def test_another_target_under_a_taken_name_is_refused_before_training(project):
    with pytest.raises(UserError, match=r"predicts progression .* not bmi .* set mlflow.model and mlflow.experiment"):
        train(composed("train", *FAST, "data.target=bmi"))


def test_a_model_without_a_converter_trains_and_is_not_registered(project):
    _, version = project
    target = "model.regressor._target_=sklearn.neighbors.KNeighborsRegressor"
    neighbours = ["model=linear", "~model.regressor.alpha", target]
    with pytest.raises(UserError, match=r"^KNeighborsRegressor cannot be registered: no converter .* known: "):
        train(composed("train", *FAST, *neighbours))
    client = mlflow.MlflowClient(store())
    run = client.search_runs(["1"], order_by=["attributes.start_time DESC"])[0]
    assert run.info.status == "FAILED"
    assert run.data.metrics["test/rmse"] > 0
    assert client.get_registered_model(version.name).aliases["dev"] in (1, "1")


def test_verbs_that_read_leave_nothing_behind(trained, tmp_path):
    folder, _ = trained
    for name in ("config", "mlflow.db", "mlruns"):
        source = folder / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    before = {path.relative_to(tmp_path) for path in tmp_path.rglob("*")}
    raw = next((folder / "data/raw").glob("diabetes-*.csv"))
    done = run_verb(tmp_path, "predict", f"input={raw}", f"output={tmp_path / 'p.csv'}")
    assert done.returncode == 0, done.stderr
    left = {path.relative_to(tmp_path) for path in tmp_path.rglob("*")} - before
    assert left == {Path("p.csv")}


def test_a_training_that_is_killed_resumes_to_the_weights_of_a_straight_one(tmp_path):
    epochs = ["trainer.max_epochs=40", "trainer.patience=40", "progress=false", "evaluation.importance_repeats=0"]
    killed, straight = make_project(tmp_path / "killed"), make_project(tmp_path / "straight")
    command = [sys.executable, "-m", f"{train.__module__}", *epochs, "trainer.checkpoints=checkpoints"]
    process = subprocess.Popen(command, cwd=killed, env=environment_of(), stderr=subprocess.DEVNULL)
    last = killed / "checkpoints/last.ckpt"
    deadline = time.monotonic() + 120
    while not last.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert last.exists(), "it ended before its first checkpoint"
    assert process.returncode == -signal.SIGKILL
    resumed = run_verb(killed, "train", *epochs, "trainer.resume=checkpoints/last.ckpt")
    assert resumed.returncode == 0, resumed.stderr
    whole = run_verb(straight, "train", *epochs, "trainer.checkpoints=checkpoints")
    assert whole.returncode == 0, whole.stderr
    graphs = [next(folder.rglob("mlruns/**/model.onnx")).read_bytes() for folder in (killed, straight)]
    assert graphs[0] == graphs[1]
    client = mlflow.MlflowClient(f"sqlite:///{killed / 'mlflow.db'}")
    run = client.search_runs(["1"], "attributes.status = 'FINISHED'")[0].info.run_id
    assert [point.step for point in client.get_metric_history(run, "val/loss")] == list(range(40))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A real MLflow server over HTTP."""
    folder = tmp_path_factory.mktemp("server")
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
               "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--artifacts-destination", str(folder / "files")]  # fmt: skip
    environment = environment_of(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{address}/health", timeout=2).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, "the MLflow server did not start in two minutes"
                time.sleep(0.2)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def test_the_same_on_a_server_over_http(server, tmp_path, monkeypatch):
    monkeypatch.chdir(make_project(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    version = train(composed("train", *FAST, "experiment=breast_cancer"))
    assert version is not None
    client = mlflow.MlflowClient(server)
    assert client.get_registered_model("breast_cancer").aliases == {"dev": "1"}
    metrics = client.get_run(version.run_id).data.metrics
    assert {"accuracy", "f1", "roc_auc", "log_loss", "brier"} == {m[5:] for m in metrics if m.startswith("test/")}
    assert metrics["test/accuracy"] > 0.9
    figures = {artifact.path for artifact in client.list_artifacts(version.run_id, "figures")}
    assert {"figures/confusion_matrix.png", "figures/calibration.png"} <= figures
    found = evaluate(composed("evaluate", "mlflow.model=breast_cancer"))
    assert found["models:/breast_cancer@dev"]["accuracy"] == pytest.approx(metrics["test/accuracy"])
    assert not (tmp_path / "mlflow.db").exists()


def test_the_run_records_commit_and_lock_where_there_are_some(tmp_path, monkeypatch):
    monkeypatch.chdir(make_project(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store())
    Path("uv.lock").write_text("version = 1\n")
    Path(".gitignore").write_text("data/\nmlflow.db*\nmlruns/\noutputs/\n")
    commit = first_commit(tmp_path)
    Path("notes.txt").write_text("a tool's\n")
    of_ones_own = ["generated=[notes.txt]", "+mlflow.tags={ticket: A-17, data.owner: us}", "keep=outputs/kept"]
    version = train(composed("train", *FAST, "model=linear", *of_ones_own))
    assert {"ticket": "A-17", "data.owner": "us"}.items() <= version.tags.items()
    tags = mlflow.MlflowClient(store()).get_run(version.run_id).data.tags
    assert (tags["git.commit"], tags["git.dirty"]) == (commit, "false")
    folder = MlflowRegistry(store(), Path("outputs/servables")).download(version)
    provenance = json.loads((folder / "contract.json").read_text())["provenance"]
    assert provenance["commit"] == commit
    assert provenance["lock"] == tags["lock.sha256"]
    assert {"ticket": "A-17", "data.owner": "us"}.items() <= tags.items()
    check_kept(Path("outputs/kept"), folder, version)


def check_kept(kept: Path, registered: Path, version) -> None:
    """The folder holds the registered servable, the figures, and the run's metrics; a second run does not replace it."""
    assert {path.name for path in kept.iterdir()} == {"figures", "metrics.json", "servable"}
    contract = (kept / "servable/contract.json").read_bytes()
    assert contract == (registered / "contract.json").read_bytes()
    assert {path.name for path in (kept / "figures").iterdir()} == {"feature_importance.png", "predicted_against_actual.png"}  # fmt: skip
    metrics = json.loads((kept / "metrics.json").read_text())
    logged = mlflow.MlflowClient(store()).get_run(version.run_id).data.metrics
    assert metrics == {name: logged[name] for name in metrics}
    evaluate(composed("evaluate", f"reference={kept / 'servable'}"))
    document = json.loads(Path("outputs/evaluate/metrics.json").read_text())
    assert document["candidate"]["reference"] == "outputs/kept/servable"
    assert document["candidate"]["rmse"] == pytest.approx(metrics["test/rmse"], rel=1e-5)
    assert set(document) == {"candidate"}  # nothing holds prod
    with pytest.raises(UserError, match=r"^outputs/kept is there already: nothing is overwritten;"):
        train(composed("train", *FAST, "model=linear", "keep=outputs/kept"))
    assert (kept / "servable/contract.json").read_bytes() == contract
