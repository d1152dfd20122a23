"""The pipeline that DVC runs: what reruns and what does not, what versions record, and what a store gives back."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
import yaml

from {{ cookiecutter.project_slug }}.schemas.contract import Contract
from {{ cookiecutter.project_slug }}.utils.files import sha256

from tests.pipelines import (
    OWN,
    SMALL,
    commit,
    dvc,
    environment,
    git,
    make_pipelined,
    ran,
    recorded,
    said,
    stages_of,
    write_own_table,
)
from tests.stores import KEYS, s3_store

pytestmark = pytest.mark.slow
VERBS = ("compose", "fetch", "prepare", "train", "evaluate")
PATIENCE = 120


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """The project after its first `dvc repro`, what that printed, and what git had to say then."""
    folder = make_pipelined(tmp_path_factory.mktemp("dvc") / "project")
    printed = said(folder, "repro")
    changes = git(folder, "status", "--porcelain", "--untracked-files=all")
    commit(folder)
    return folder, printed, changes


@pytest.fixture
def project(first):
    """Clean, and as the last commit left it."""
    folder, _, _ = first
    git(folder, "checkout", "--quiet", ".")
    said(folder, "checkout", "--quiet", "--force")
    return folder


def versions(folder: Path, name: str) -> list:
    """All versions of a model, the oldest first."""
    found = mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}").search_model_versions(f"name = '{name}'")
    return sorted(found, key=lambda version: int(version.version))


def test_a_first_run_runs_every_stage_and_a_second_none(first):
    folder, printed, _ = first
    assert set(ran(printed)) == stages_of(VERBS, (SMALL, OWN))
    assert ran(said(folder, "repro")) == []


def test_git_gets_the_lock_the_metrics_and_the_configuration_alone(first):
    _, _, changes = first
    kept = [f"?? pipeline/{name}{rest}" for name in (SMALL, OWN)
            for rest in (".yaml", "/evaluate/metrics.json", "/train/metrics.json")]  # fmt: skip
    assert sorted(changes.splitlines()) == sorted(["?? dvc.lock", *kept])


def test_a_version_records_the_hash_of_its_raw_table_and_a_clean_tree(first):
    folder, _, _ = first
    hashes = []
    for name in (SMALL, OWN):
        (version,) = versions(folder, name)
        assert version.tags["data.dvc"] == recorded(folder, f"fetch@{name}", f"data/raw/{name}")
        (raw,) = (folder / f"data/raw/{name}").iterdir()
        made_from = Contract.read(folder / f"pipeline/{name}/train/servable").provenance
        assert (made_from.data, made_from.dirty) == (sha256(raw), False)
        assert made_from.commit == version.tags["git.commit"] == git(folder, "rev-list", "--max-parents=0", "HEAD").strip()
        hashes.append(version.tags["data.dvc"])
        run = mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}").get_run(version.run_id)
        assert run.data.tags["data.dvc"] == version.tags["data.dvc"]
        kept = json.loads((folder / f"pipeline/{name}/train/metrics.json").read_text())
        assert kept == {key: value for key, value in run.data.metrics.items() if key in kept}
        assert {"train/rmse", "val/rmse", "test/rmse"} <= set(kept)
    assert hashes[0] != hashes[1]


def test_a_trial_runs_what_depends_on_its_value_and_is_shown_by_its_name(project):
    before = {name: len(versions(project, name)) for name in (SMALL, OWN)}
    path = f"config/experiment/{SMALL}.yaml"
    printed = said(project, "exp", "run", "--name", "strong", "--set-param", f"{path}:++model.regressor.alpha=100")
    assert set(ran(printed)) == {f"compose@{SMALL}", f"compose@{OWN}", f"train@{SMALL}", f"evaluate@{SMALL}"}
    text = (project / path).read_text()
    assert text.startswith("# @package _global_\n# What it is about.\n")
    assert "# quick" in text
    assert yaml.safe_load(text)["model"] == {"regressor": {"alpha": 100}}

    shown = json.loads(said(project, "exp", "show", "--json"))
    found = {}
    for revision in shown:
        for entry in [revision, *(one for group in revision["experiments"] or () for one in group["revs"])]:
            found[entry["name"] or entry["rev"]] = entry["data"]
    alphas = {}
    for name in (git(project, "branch", "--show-current").strip(), "strong"):
        parameters = found[name]["params"][f"pipeline/{SMALL}.yaml"]["data"]
        metrics = found[name]["metrics"]
        alphas[parameters["model"]["regressor"]["alpha"]] = (
            metrics[f"pipeline/{SMALL}/train/metrics.json"]["data"]["test/rmse"],
            metrics[f"pipeline/{SMALL}/evaluate/metrics.json"]["data"]["candidate"]["rmse"],
        )
        assert parameters["seed"] == 0
    assert set(alphas) == {1.0, 100}
    assert alphas[1.0] != alphas[100]
    for trained, graph in alphas.values():
        assert graph == pytest.approx(trained, rel=1e-5)
    assert {name: len(versions(project, name)) for name in before} == {SMALL: before[SMALL] + 1, OWN: before[OWN]}


def test_what_was_run_before_comes_back_without_a_run_or_a_version(project):
    before = len(versions(project, SMALL))
    path = project / f"config/experiment/{SMALL}.yaml"
    path.write_text(path.read_text() + "model:\n  regressor: {alpha: 100}\n")
    printed = said(project, "repro", f"evaluate@{SMALL}")
    assert f"Stage 'train@{SMALL}' is cached - skipping run" in printed
    assert len(versions(project, SMALL)) == before
    kept = json.loads((project / f"pipeline/{SMALL}/train/metrics.json").read_text())
    strong = versions(project, SMALL)[-1]
    assert kept["test/rmse"] == pytest.approx(float(strong.tags["test/rmse"]), rel=1e-5)


def test_a_run_that_is_killed_in_the_midst_of_training_is_finished_by_the_next(project):
    path = project / f"config/experiment/{SMALL}.yaml"
    path.write_text(path.read_text() + "model:\n  regressor: {alpha: 7}\n")
    before = len(versions(project, SMALL))
    process = subprocess.Popen(
        ["dvc", "repro"], cwd=project, env=environment(), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + PATIENCE
        while not running(project):
            assert process.poll() is None, "it ended before it trained"
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not (project / f"pipeline/{SMALL}/train/metrics.json").exists()
    assert set(ran(said(project, "repro"))) == {f"train@{SMALL}", f"evaluate@{SMALL}"}
    assert len(versions(project, SMALL)) == before + 1
    assert ran(said(project, "repro")) == []
    assert git(project, "status", "--porcelain", "--untracked-files=all").count("??") == 0


def running(folder: Path) -> bool:
    """Whether a run has begun that has not ended."""
    with closing(sqlite3.connect(f"file:{folder / 'mlflow.db'}?mode=ro", uri=True)) as store:
        return bool(store.execute("select count(*) from runs where status = 'RUNNING'").fetchone()[0])


def test_a_raw_table_that_somebody_edits_is_noticed_and_put_back(project):
    (raw,) = (project / f"data/raw/{SMALL}").iterdir()
    whole = raw.read_bytes()
    raw.write_bytes(whole.replace(b"\n", b"\n1", 1))
    status = json.loads(said(project, "status", "--json"))
    assert {"changed outs": {f"data/raw/{SMALL}": "modified"}} in status[f"fetch@{SMALL}"]
    hashed = subprocess.run(
        [sys.executable, "tools/dvc_hash.py", f"data/raw/{SMALL}"], cwd=project, env=environment(), capture_output=True,
        text=True,
    )  # fmt: skip
    assert (hashed.returncode, hashed.stdout) == (1, "")
    assert hashed.stderr == f"error: data/raw/{SMALL} is modified: run `dvc repro` of the stage that makes it\n"
    alone = dvc(project, "repro", "--force", "--single-item", f"train@{SMALL}")
    assert alone.returncode != 0  # a version of a table that nobody can get back
    assert ran(said(project, "repro", f"prepare@{SMALL}")) == []
    assert raw.read_bytes() == whole


def test_a_table_of_ones_own_that_changes_is_fetched_again(project):
    before = recorded(project, f"fetch@{OWN}", f"data/raw/{OWN}")
    write_own_table(project, slope=3)
    assert ran(said(project, "repro", "--dry", "--downstream", f"fetch@{OWN}"))[0] == f"fetch@{OWN}"
    assert ran(said(project, "repro", f"prepare@{OWN}")) == [f"fetch@{OWN}", f"prepare@{OWN}"]
    assert recorded(project, f"fetch@{OWN}", f"data/raw/{OWN}") != before
    assert len(list((project / f"data/raw/{OWN}").iterdir())) == 1
    write_own_table(project, slope=2)


def test_a_mistake_in_the_configuration_stops_the_pipeline_in_one_line(project):
    path = project / f"config/experiment/{SMALL}.yaml"
    path.write_text(path.read_text() + "data: {targett: bmi}\n")
    before = recorded(project, f"train@{SMALL}", f"pipeline/{SMALL}/train/servable")
    done = dvc(project, "repro", f"evaluate@{SMALL}")
    assert done.returncode != 0
    assert "error: config: data.targett is not a key that is known here; see config/ for those that are\n" in done.stderr
    assert "Traceback" not in done.stderr
    assert recorded(project, f"train@{SMALL}", f"pipeline/{SMALL}/train/servable") == before


def test_a_clone_pulls_the_same_bytes_and_has_nothing_to_do(project, tmp_path):
    store = tmp_path / "store"
    with s3_store(store) as address:
        said(project, "remote", "add", "--force", "--default", "store", "s3://bucket/project")
        said(project, "remote", "modify", "store", "endpointurl", address)
        commit(project)
        said(project, "push", **KEYS)
        clone = tmp_path / "clone"
        git(project, "clone", "--quiet", str(project), str(clone))
        write_own_table(clone, slope=2)  # in git it would be a .dvc file: docs/dvc.md does that

        wrong = dvc(clone, "pull", **KEYS | {"AWS_SECRET_ACCESS_KEY": "wrong"})
        assert wrong.returncode != 0
        assert "Forbidden" in wrong.stderr
        said(clone, "pull", **KEYS)
        for name in (SMALL, OWN):
            (raw,) = (project / f"data/raw/{name}").iterdir()
            made_from = Contract.read(clone / f"pipeline/{name}/train/servable").provenance
            assert made_from.data == sha256(clone / f"data/raw/{name}" / raw.name) == sha256(raw)
        assert ran(said(clone, "repro")) == []
        assert not (clone / "mlflow.db").exists()
        assert git(clone, "status", "--porcelain") == ""

        shutil.rmtree(clone / ".dvc/cache")
        shutil.rmtree(clone / "data/raw")
        lost = recorded(clone, f"fetch@{SMALL}", f"data/raw/{SMALL}")
        (store / f"bucket/project/files/md5/{lost[:2]}/{lost[2:]}").unlink()
    with s3_store(store) as address:  # anew: it remembers what it had
        said(clone, "remote", "modify", "store", "endpointurl", address)
        missing = dvc(clone, "pull", f"fetch@{SMALL}", **KEYS)
        assert missing.returncode != 0
        assert lost in missing.stderr or f"data/raw/{SMALL}" in missing.stderr
    down = dvc(clone, "pull", f"fetch@{OWN}", **KEYS, AWS_MAX_ATTEMPTS="1")
    assert down.returncode != 0
    assert f'Could not connect to the endpoint URL: "{address}' in down.stderr
    assert not (clone / f"data/raw/{OWN}").exists()
    assert ran(said(clone, "repro", f"fetch@{SMALL}")) == [f"fetch@{SMALL}"]  # what is gone is made anew
    assert recorded(clone, f"fetch@{SMALL}", f"data/raw/{SMALL}") == lost
