"""One problem the whole way: trained, promoted by its gates, served by a real process that follows, rolled back."""

import http.client
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml

from {{ cookiecutter.project_slug }}.cli.promote import promote
from {{ cookiecutter.project_slug }}.cli.rollback import rollback
from {{ cookiecutter.project_slug }}.cli.train import train
from {{ cookiecutter.project_slug }}.data.prepare import prepare
from {{ cookiecutter.project_slug }}.data.splits import HELDOUT, assign
from {{ cookiecutter.project_slug }}.evaluation.heldout import read_heldout
from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.config import TrainConfig, validate

from tests.project import FAST, ROOT, composed, environment_of, make_project, store
from tests.repositories import commit, first_commit

pytestmark = pytest.mark.slow
CI = "promotion.ci=woodpecker"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project as the README's quick start leaves it: committed, with a lock."""
    folder = make_project(tmp_path)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store())
    (folder / "uv.lock").write_text("version = 1\n")
    (folder / ".gitignore").write_text("data/\nmlflow.db*\nmlruns/\noutputs/\nserver.log\n*.csv\n")
    first_commit(folder)
    return folder


def aliases(model: str) -> dict[str, str]:
    """Every alias, read back over MLflow's API."""
    found = mlflow.MlflowClient(store()).get_registered_model(model).aliases
    return {alias: str(number) for alias, number in found.items()}


def to(alias: str, model: str, number: str):
    return promote(composed("promote", f"mlflow.model={model}", f"version={number}", f"to={alias}", CI))


@contextmanager
def served(project: Path, model: str) -> Iterator[tuple[str, int]]:
    """The service as a process that follows `prod` of the model: host and port."""
    command = [sys.executable, "-m", "deployment.api", f"serving.reference=models:/{model}@prod", "serving.port=0",
               "serving.poll_seconds=0.2", "serving.drain_seconds=0", "logging=json"]  # fmt: skip
    environment = environment_of(MLFLOW_TRACKING_URI=store(), PYTHONPATH=f"{ROOT / 'src'}:{ROOT}")
    log = project / "server.log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=project, env=environment, stdout=file, stderr=file)
    try:
        found, deadline = None, time.monotonic() + 60
        while found is None and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.05)
            found = re.search(r"at http://127\.0\.0\.1:(\d+)", log.read_text(encoding="utf-8"))
        assert found, log.read_text(encoding="utf-8")
        yield "127.0.0.1", int(found[1])
        process.terminate()
        assert process.wait(30) == 0, log.read_text(encoding="utf-8")
    finally:
        process.kill()
        process.wait()


class Load(threading.Thread):
    """A client that asks one row after another and keeps what it was told."""

    def __init__(self, address: tuple[str, int], rows: list[dict[str, object]], first: int) -> None:
        super().__init__(daemon=True)
        self._address, self._rows, self._at = address, rows, first
        self.answers: list[tuple[int, str, float]] = []
        """Row, version, and the probability of the last class."""
        self.failures: list[object] = []
        self.stop = threading.Event()

    def run(self) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=30)
        while not self.stop.is_set():
            row = self._at % len(self._rows)
            self._at += 1
            try:
                connection.request("POST", "/predict", json.dumps({"records": [self._rows[row]]}))
                response = connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(error)
                connection.close()
                continue
            if response.status != 200:
                self.failures.append(body)
                continue
            answer = json.loads(body)
            probability = list(answer["predictions"][0]["diagnosis_probabilities"].values())[-1]
            self.answers.append((row, answer["model"]["version"], probability))


def wait_for(loads: list[Load], version: str) -> None:
    """Until every client has been answered by the version."""
    deadline = time.monotonic() + 60
    for load in loads:
        while not (load.answers and load.answers[-1][1] == version):
            assert time.monotonic() < deadline, f"version {version} does not answer; last: {load.answers[-1:]}"
            time.sleep(0.02)


def test_from_training_to_production_and_back(project):
    model = "breast_cancer"
    weak = ["experiment=breast_cancer", "progress=false", "evaluation.importance_repeats=0"]
    train(composed("train", *weak, "model.classifier.C=0.0005"))
    assert aliases(model) == {"dev": "1"}
    with pytest.raises(UserError, match="version 1 does not hold staging"):
        to("prod", model, "1")
    assert to("staging", model, "1").refusals == {}
    assert aliases(model) == {"dev": "1", "staging": "1"}
    assert to("prod", model, "1").refusals == {}
    assert aliases(model) == {"dev": "1", "staging": "1", "prod": "1"}

    registry = MlflowRegistry(store(), project / "outputs/cache")
    engine = Engine(registry.download(registry.find(f"models:/{model}/1")))
    columns, _ = read_heldout(engine.folder, engine.contract)
    rows = [{name: values[row] for name, values in columns.items()} for row in range(len(next(iter(columns.values()))))]
    with served(project, model) as address:
        loads = [Load(address, rows, 17 * client) for client in range(4)]
        for load in loads:
            load.start()
        wait_for(loads, "1")

        train(composed("train", *weak, "model.classifier.C=0.000001"))  # worse
        before = {**aliases(model)}
        only_quality = r"version 2 does not become staging: quality: skill [^;]*; worse than the incumbent: [^;]*$"
        with pytest.raises(UserError, match=only_quality):
            to("staging", model, "2")
        assert aliases(model) == before == {"dev": "2", "staging": "1", "prod": "1"}

        train(composed("train", *weak))  # better
        to("staging", model, "3")
        assert aliases(model) == {"dev": "3", "staging": "3", "prod": "1"}
        assert to("prod", model, "3").incumbent == "1"
        assert aliases(model) == {"dev": "3", "staging": "3", "prod": "3", "archived": "1"}
        wait_for(loads, "3")

        withdrawn, serving = rollback(composed("rollback", f"mlflow.model={model}", CI))
        assert (withdrawn.version, serving.version) == ("3", "1")
        assert aliases(model) == {"prod": "1"}
        wait_for(loads, "1")
        with pytest.raises(UserError, match="there is no way back"):  # and the bad version does not come back
            rollback(composed("rollback", f"mlflow.model={model}", CI))
        assert aliases(model) == {"prod": "1"}
        for load in loads:
            load.stop.set()
        for load in loads:
            load.join(30)

    assert [failure for load in loads for failure in load.failures] == []
    expected = {
        version: Engine(registry.download(registry.find(f"models:/{model}/{version}"))).run(columns)
        for version in ("1", "3")
    }
    answers = [answer for load in loads for answer in load.answers]
    assert {version for _, version, _ in answers} == {"1", "3"}
    wrong = [
        (row, version, got, want)
        for row, version, got in answers
        if abs(got - (want := float(expected[version]["diagnosis_probabilities"][row, -1]))) > 1e-5
    ]
    assert wrong == []
    apart = np.abs(expected["1"]["diagnosis_probabilities"] - expected["3"]["diagnosis_probabilities"])
    assert np.median(apart) > 1e-3, "the two versions answer alike: nothing was proven"


def own_table(rows: int) -> pd.DataFrame:
    """The first rows of a table that grows."""
    draw = np.random.default_rng(7)
    values = draw.normal(size=(3_000, 4))
    frame = pd.DataFrame(values, columns=list("abcd")).round(6)
    frame["y"] = np.sin(3 * frame["a"]) + frame["b"] * frame["c"] + draw.normal(0, 0.1, 3_000)
    return frame.head(rows)


def test_the_table_grows_between_two_versions(project):
    columns = {name: {"kind": "number"} for name in "abcdy"}
    data = {"defaults": ["base", "_self_"], "name": "own", "path": "own.csv", "target": "y", "task": "regression",
            "columns": columns}  # fmt: skip
    (project / "config/data/own.yaml").write_text(yaml.safe_dump(data))
    experiment = {"defaults": [{"override /data": "own"}, {"override /model": "lightgbm"}], "description": "own"}
    text = "# @package _global_\n" + yaml.safe_dump(experiment | {"mlflow": {"experiment": "own", "model": "own"}})
    (project / "config/experiment/own.yaml").write_text(text)
    commit(Path(), "own table")
    overrides = ["experiment=own", *FAST, "model.regressor.n_estimators=100"]
    config = validate(TrainConfig, composed("train", *overrides)).data
    sides = {}
    for rows in (600, 3_000):
        own_table(rows).to_csv("own.csv", index=False)
        train(composed("train", *overrides))
        table = prepare(config)
        names = list(zip(*(table.columns[name][:, 0].tolist() for name in "abcd"), strict=True))
        sides[rows] = dict(zip(names, assign(table, config).tolist(), strict=True))
    assert len(sides[600]) == 600
    assert {row: sides[3_000][row] for row in sides[600]} == sides[600]
    to("staging", "own", "1")
    to("prod", "own", "1")
    report = to("staging", "own", "2")
    assert report.refusals == {}
    figures = report.verdicts["quality"].figures
    heldout = sum(side == HELDOUT for side in sides[3_000].values())
    assert figures["common_rows"] == heldout  # none of them was trained on by version 1
    assert figures["candidate"] < 0.8 * figures["incumbent"]
    to("prod", "own", "2")
    assert aliases("own") == {"dev": "2", "staging": "2", "prod": "2", "archived": "1"}
