"""Versions that are trained, forgotten by all but their record, and refitted: the same bytes, or what has changed."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path

import mlflow
import pytest

from {{ cookiecutter.project_slug }}.cli.reproduce import reproduce
from {{ cookiecutter.project_slug }}.cli.train import train
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.reproduction.refit import Workshop

from tests.pages import committed, copy_of_the_project, follow
from tests.project import FAST, PACKAGE, composed, environment_of, store
from tests.repositories import git

pytestmark = pytest.mark.slow
FEW_TREES = ["model.regressor.n_estimators=40", "evaluation.importance_repeats=1"]
TREES, MLP, LINEAR = "1", "2", "3"
PATIENCE = 60


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A committed project with a version of each kind of model; its code has moved on since, and trains no more."""
    folder = committed(copy_of_the_project(tmp_path_factory.mktemp("reproduce") / "project"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", store())
        for overrides in (["model=lightgbm", *FEW_TREES], FAST, ["model=linear", *FAST]):
            assert train(composed("train", *overrides)) is not None
        (folder / f"src/{PACKAGE}/cli/train.py").write_text("raise SystemExit('this is another commit')\n")
        git(Path(), "commit", "--quiet", "--all", "--message", "later")
    return folder


@pytest.fixture
def project(trained, monkeypatch):
    monkeypatch.chdir(trained)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store())
    yield trained
    assert len(git(Path(), "worktree", "list").splitlines()) == 1
    assert git(Path(), "status", "--porcelain") == ""


def run_of(version: str) -> str:
    return mlflow.MlflowClient(store()).get_model_version(PACKAGE, version).run_id


@contextmanager
def tagged(version: str, **tags: str):
    """Other facts in a run's record, for a while."""
    client, run = mlflow.MlflowClient(store()), run_of(version)
    before = client.get_run(run).data.tags
    for name, value in tags.items():
        client.set_tag(run, name.replace("_", "."), value)
    try:
        yield
    finally:
        for name in tags:
            client.set_tag(run, name.replace("_", "."), before[name.replace("_", ".")])


def test_trees_come_out_the_same_as_the_page_says(project):
    printed = follow(project, "reproduce.md")
    assert f"{PACKAGE} version {TREES} refitted: identical, bit for bit\n" in printed
    for line in ("graph        the same bytes", "other files  the same bytes", "raw table    local",
                 "environment  this environment: its lock is the recorded one",
                 "changed      nothing that was recorded"):  # fmt: skip
        assert f"{line}\n" in printed
    (kept,) = Path("outputs/reproduce").glob("*/report.json")
    assert json.loads(kept.read_text())["verdict"] == "identical"
    assert "test/rmse" in kept.with_name("refit.log").read_text()


def test_a_network_comes_out_the_same_without_its_stored_model_from_a_table_that_is_fetched_again(
    project, monkeypatch, tmp_path
):
    fit = Workshop.train

    def without_the_store(self, *arguments):
        aside = tmp_path / "aside"
        aside.mkdir()
        for name in ("mlflow.db", "mlruns"):
            shutil.move(project / name, aside / name)
        try:
            return fit(self, *arguments)
        finally:
            for name in ("mlflow.db", "mlruns"):
                shutil.move(aside / name, project / name)

    monkeypatch.setattr(Workshop, "train", without_the_store)
    shutil.rmtree("data/raw")
    report = reproduce(composed("reproduce", f"reference=models:/{PACKAGE}/{MLP}"))
    assert (report.verdict, report.raw, report.found.facts, report.found.files) == ("identical", "source", (), ())
    names = {metric.name for metric in report.found.metrics}
    assert {"train/rmse", "val/loss", "val/rmse", "test/rmse"} <= names
    assert not Path("data/raw").exists()


def test_another_metric_differs_and_what_has_changed_is_named(project, capsys):
    with closing(sqlite3.connect("mlflow.db")) as database:
        for table in ("metrics", "latest_metrics"):
            where = f"key = 'test/rmse' and run_uuid = '{run_of(LINEAR)}'"
            database.execute(f"update {table} set value = value * 1.001 where {where}")
        database.commit()
    asked = ["reproduce", f"version={LINEAR}", "environment=current", "format=json"]
    with tagged(LINEAR, package_numpy="0.9", system_cpu="Another"), pytest.raises(UserError) as caught:
        reproduce(composed(*asked))
    line = str(caught.value)
    assert line.startswith(f"{PACKAGE} version {LINEAR} refitted: not equal within 0; 1 of ")
    assert "metrics differ, test/rmse by 0.000999; changed since: package.numpy: 0.9 → " in line
    assert "system.cpu: Another → " in line
    document = json.loads(capsys.readouterr().out)
    assert document["graph"] == {"same_bytes": True, "structure": None, "weights": []}
    assert {fact["name"] for fact in document["changed"]} == {"package.numpy", "system.cpu"}
    assert [metric["name"] for metric in document["metrics"] if metric["absolute"]] == ["test/rmse"]


def test_an_interruption_leaves_no_worktree_and_no_process(project, tmp_path):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-m", f"{PACKAGE}.cli.reproduce", f"version={MLP}"]
    environment = environment_of(MLFLOW_TRACKING_URI=store(), TMPDIR=str(temporary))
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + PATIENCE
        while not list(temporary.glob("reproduce-*/train.yaml")):  # the refit's process is about to start
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert said.endswith("interrupted\n")
    assert list(temporary.glob("reproduce-*")) == []
    running = [path for path in Path("/proc").glob("[0-9]*/cwd") if str(temporary) in _link(path)]
    assert running == []


def _link(path: Path) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115 what it names may be gone
    except OSError:  # the process has ended
        return ""


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"git_dirty": "true"}, f"{PACKAGE} version 3 was trained with uncommitted changes: nothing says what they were"),
        ({"git_commit": "f" * 40}, f"this repository has no commit {'f' * 40}: fetch it"),
        ({"lock_sha256": "f" * 64}, "the version was trained with the uv.lock ffffffffffff, and its commit"),
        ({"data_sha256": "f" * 64}, f"the raw table diabetes with sha256 {'f' * 64} is not to be had (not in local"),
    ],
)  # fmt: skip
def test_what_is_not_to_be_had_is_one_line(project, tags, message):
    with tagged(LINEAR, **tags), pytest.raises(UserError) as refused:
        reproduce(composed("reproduce", f"version={LINEAR}"))
    assert str(refused.value).startswith(message)
    assert len(str(refused.value).splitlines()) == 1


def test_a_version_that_is_not_there_or_whose_run_is_gone_is_one_line(project):
    with pytest.raises(UserError, match=rf"^{PACKAGE} has no version 9 at sqlite:///"):
        reproduce(composed("reproduce", "version=9"))
    client, run = mlflow.MlflowClient(store()), run_of(LINEAR)
    client.delete_run(run)
    try:
        with pytest.raises(UserError, match=rf"^{PACKAGE} version 3 comes from run {run}, which is deleted: what"):
            reproduce(composed("reproduce", f"version={LINEAR}"))
    finally:
        client.restore_run(run)
