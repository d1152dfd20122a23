"""What docs/dvc.md says, taken literally; then what else may happen to the project that it leaves."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import mlflow
import pytest
import yaml

from {{ cookiecutter.project_slug }}.schemas.contract import Contract
from {{ cookiecutter.project_slug }}.utils.files import sha256

from tests.pages import committed, copy_of_the_project, follow
from tests.pipelines import activated, as_made, dvc, git, ran, recorded, said
from tests.project import PACKAGE
from tests.stores import KEYS, s3_store

pytestmark = pytest.mark.slow
MODELS = {"diabetes": PACKAGE, "wine": "wine"}
"""The registered model of each experiment."""
EXPERIMENT = "config/experiment/wine.yaml"
PATIENCE = 120


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A committed project, with a small model in place of the network, whose first run was killed while it trained.

    With what that run printed, and what a second one was told meanwhile.
    """
    folder = as_made(copy_of_the_project(tmp_path_factory.mktemp("dvc") / "project"))
    experiment = folder / "config/experiment/diabetes.yaml"
    experiment.write_text(experiment.read_text().replace("override /model: mlp", "override /model: linear"))
    committed(folder)
    log = folder / "outputs/killed.log"
    log.parent.mkdir()
    with log.open("wb") as file:
        process = subprocess.Popen(
            ["dvc", "repro"], cwd=folder, env=activated(), stdout=file, stderr=file, start_new_session=True
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not training(folder):
            assert process.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGSTOP)  # it does not end while the second is told
        second = dvc(folder, "repro")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return folder, log.read_text(encoding="utf-8"), second


def training(folder: Path) -> bool:
    """Whether a run has begun that has not ended."""
    with (
        suppress(sqlite3.OperationalError),  # the store is being made
        closing(sqlite3.connect(f"file:{folder / 'mlflow.db'}?mode=ro", uri=True)) as store,
    ):
        return bool(store.execute("select count(*) from runs where status = 'RUNNING'").fetchone()[0])
    return False


@pytest.fixture(scope="module")
def followed(killed):
    """The project after the page, and what was printed."""
    folder, _, _ = killed
    with pytest.MonkeyPatch.context() as patch:
        for name, value in activated().items():
            patch.setenv(name, value)
        printed = follow(folder, "dvc.md")
    (folder / "server.log").unlink()
    return folder, printed


@pytest.fixture
def project(followed):
    """As the last commit left it."""
    folder, _ = followed
    git(folder, "checkout", "--quiet", ".")
    said(folder, "checkout", "--quiet", "--force")
    return folder


def versions(folder: Path, experiment: str) -> list:
    """All versions of an experiment's model, the oldest first."""
    client = mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    found = client.search_model_versions(f"name = '{MODELS[experiment]}'")
    return sorted(found, key=lambda version: int(version.version))


def kept_metrics(folder: Path, experiment: str, stage: str) -> dict:
    return json.loads((folder / f"pipeline/{experiment}/{stage}/metrics.json").read_text(encoding="utf-8"))


def add_to_experiment(folder: Path, text: str) -> None:
    path = folder / EXPERIMENT
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_a_stage_runs_when_it_is_out_of_date_and_only_then(killed, followed):
    folder, printed = followed
    _, before, _ = killed
    by_experiment = {
        name: [stage.partition("@")[0] for stage in ran(printed) if stage.endswith(f"@{name}")] for name in MODELS
    }
    assert ran(before) == ["compose@diabetes", "fetch@diabetes", "prepare@diabetes", "train@diabetes"]
    assert by_experiment == {
        "diabetes": ["train", "evaluate", "compose", "compose"],  # what was killed; the new table's files; the trial's
        "wine": ["compose", "fetch", "prepare", "train", "evaluate", "compose", "train", "evaluate"],  # and the trial
    }
    assert ran(said(folder, "repro")) == []


def test_a_second_run_at_the_same_time_is_refused(killed):
    _, _, second = killed
    assert second.returncode != 0
    assert ran(second.stdout) == []
    assert "is busy, it is being blocked by:" in second.stderr


def test_git_holds_the_lock_the_metrics_and_the_configuration_alone(project):
    held = git(project, "ls-files", "dvc.lock", "pipeline", "data").split()
    kept = [f"pipeline/{name}{rest}" for name in MODELS
            for rest in (".yaml", "/evaluate/metrics.json", "/train/metrics.json")]  # fmt: skip
    others = ["data/.gitignore", "data/README.md", "data/wine.csv.dvc", "dvc.lock", "pipeline/README.md"]
    assert sorted(held) == sorted([*kept, *others])
    assert git(project, "status", "--porcelain", "--untracked-files=all") == ""


def test_a_version_records_the_hash_of_its_raw_table_and_whether_the_tree_was_clean(project):
    client = mlflow.MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    for name in MODELS:
        version = versions(project, name)[-1]
        run = client.get_run(version.run_id)
        assert version.tags["data.dvc"] == run.data.tags["data.dvc"] == recorded(project, name)
        (raw,) = (project / f"data/raw/{name}").iterdir()
        made_from = Contract.read(project / f"pipeline/{name}/train/servable").provenance
        assert made_from.data == sha256(raw)
        assert made_from.commit == version.tags["git.commit"]
        trained, graph = (kept_metrics(project, name, stage) for stage in ("train", "evaluate"))
        assert trained == {key: run.data.metrics[key] for key in trained}
        for metric in ("rmse", "log_loss"):
            if f"test/{metric}" in trained:
                assert graph["candidate"][metric] == pytest.approx(trained[f"test/{metric}"], rel=1e-4)
        figures = {path.name for path in (project / f"pipeline/{name}/train/figures").iterdir()}
        assert "feature_importance.png" in figures
    assert recorded(project, "diabetes") != recorded(project, "wine")
    dirty = {
        name: [client.get_run(version.run_id).data.tags["git.dirty"] for version in versions(project, name)]
        for name in MODELS
    }
    assert dirty == {"diabetes": ["false"], "wine": ["false", "true"]}  # the trial's value was not committed


def test_trials_are_shown_with_their_values_and_metrics_by_name(project):
    found = {}
    for revision in json.loads(said(project, "exp", "show", "--json", "--num", "4")):
        for group in revision["experiments"] or ():
            found |= {one["name"]: (revision["data"], one["data"]) for one in group["revs"]}
    before, after = found["stronger"]
    values = [data["params"]["pipeline/wine.yaml"]["data"]["model"]["classifier"]["C"] for data in (before, after)]
    assert values == [1.0, 0.1]
    for path, name in (("train/metrics.json", "test/log_loss"), ("evaluate/metrics.json", "candidate")):
        one, other = (data["metrics"][f"pipeline/wine/{path}"]["data"][name] for data in (before, after))
        assert one != other
    text = (project / EXPERIMENT).read_text(encoding="utf-8")
    assert yaml.safe_load(text)["model"] == {"classifier": {"C": 0.1}}
    assert text.startswith("# @package _global_\n")


def test_what_was_run_before_comes_back_without_a_version(project):
    before, metrics = len(versions(project, "wine")), kept_metrics(project, "wine", "train")
    git(project, "checkout", "--quiet", "HEAD~2", "--", EXPERIMENT)  # before the trial
    printed = said(project, "repro", "evaluate@wine")
    git(project, "reset", "--quiet")
    assert "Stage 'train@wine' is cached - skipping run" in printed
    assert len(versions(project, "wine")) == before
    assert kept_metrics(project, "wine", "train") != metrics


def test_a_raw_table_that_somebody_edits_is_noticed_and_put_back(project):
    (raw,) = (project / "data/raw/wine").iterdir()
    whole = raw.read_bytes()
    raw.write_bytes(whole + whole.splitlines(keepends=True)[-1])
    status = json.loads(said(project, "status", "--json"))
    assert {"changed outs": {"data/raw/wine": "modified"}} in status["fetch@wine"]
    hashed = hash_of(project, "data/raw/wine")
    assert (hashed.returncode, hashed.stdout) == (1, "")
    assert hashed.stderr == "error: data/raw/wine is modified: run `dvc repro` of the stage that makes it\n"
    before = len(versions(project, "wine"))
    alone = dvc(project, "repro", "--force", "--single-item", "train@wine")
    assert alone.returncode != 0  # no version of a table that nobody can get back
    assert len(versions(project, "wine")) == before
    assert ran(said(project, "repro", "prepare@wine")) == []
    assert raw.read_bytes() == whole
    assert hash_of(project, "data/raw/wine").stdout == recorded(project, "wine") + "\n"


def test_the_hash_of_what_no_stage_makes_is_refused_in_one_line(project):
    for path, why in (("data/README.md", "Unable to find DVC file with output 'data/README.md'"),
                      ("data/raw/other", "Unable to find DVC file with output 'data/raw/other'")):  # fmt: skip
        done = hash_of(project, path)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {why}\n")


def hash_of(folder: Path, path: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "tools/dvc_hash.py", path]
    return subprocess.run(command, cwd=folder, env=activated(), capture_output=True, text=True)


def test_a_table_of_ones_own_that_changes_is_fetched_again(project):
    before, table = recorded(project, "wine"), project / "data/wine.csv"
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    table.write_text("".join(lines[:-1]), encoding="utf-8")
    assert ran(said(project, "repro", "prepare@wine")) == ["fetch@wine", "prepare@wine"]
    assert recorded(project, "wine") != before
    assert len(list((project / "data/raw/wine").iterdir())) == 1
    status = json.loads(said(project, "status", "--json"))
    assert "train@wine" in status
    assert "train@diabetes" not in status


def test_a_mistake_in_the_configuration_stops_the_pipeline_in_one_line(project):
    add_to_experiment(project, "data: {targett: bmi}\n")
    done = dvc(project, "repro", "evaluate@wine")
    assert done.returncode != 0
    assert (
        "error: config: data.targett is not a key that is known here; see config/ for those that are\n" in done.stderr
    )
    assert "Traceback" not in done.stderr
    assert "'evaluate@wine'" not in done.stdout


def test_a_clone_has_the_same_bytes_and_says_what_is_wrong_with_its_store(project):
    clone = project / "outputs/clone"
    for name in MODELS:
        made_from = Contract.read(clone / f"pipeline/{name}/train/servable").provenance
        (raw,) = (clone / f"data/raw/{name}").iterdir()
        assert made_from.data == sha256(raw)
        assert recorded(clone, name) == recorded(project, name)
    assert (clone / "data/wine.csv").read_bytes() == (project / "data/wine.csv").read_bytes()
    assert ran(said(clone, "repro")) == []
    assert not (clone / "mlflow.db").exists()
    assert git(clone, "status", "--porcelain") == ""

    shutil.rmtree(clone / ".dvc/cache")
    shutil.rmtree(clone / "data/raw")
    store, lost = project / "outputs/store", recorded(clone, "diabetes")
    (store / f"bucket/{PACKAGE}/files/md5/{lost[:2]}/{lost[2:]}").unlink()
    with s3_store(store) as address:
        said(clone, "remote", "modify", "store", "endpointurl", address)
        # pragma: allowlist nextline secret
        for keys, why in ((KEYS | {"AWS_SECRET_ACCESS_KEY": "wrong"}, "Forbidden"), (KEYS, "data/raw/diabetes")):
            done = dvc(clone, "pull", "fetch@diabetes", **keys)
            assert done.returncode != 0
            assert why in done.stderr
    down = dvc(clone, "pull", "fetch@wine", **KEYS, AWS_MAX_ATTEMPTS="1")
    assert down.returncode != 0
    assert f'Could not connect to the endpoint URL: "{address}' in down.stderr
    assert not (clone / "data/raw/wine").exists()
    assert ran(said(clone, "repro", "fetch@diabetes")) == ["fetch@diabetes"]  # what is gone is made anew
    assert recorded(clone, "diabetes") == lost
