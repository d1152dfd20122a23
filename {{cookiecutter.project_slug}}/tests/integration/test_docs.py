"""Every page of docs/ does what it says."""

import base64
import os
import re
import shutil
import sys
from pathlib import Path

import mlflow
import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

from {{ cookiecutter.project_slug }}.evaluation.heldout import read_heldout
from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry
from {{ cookiecutter.project_slug }}.models import converters

from tests.pages import committed, copy_of_the_project, follow
from tests.project import PACKAGE, ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project that several pages change, one after another."""
    return copy_of_the_project(tmp_path_factory.mktemp("docs") / "project")


@pytest.fixture(scope="module")
def modelled(project):
    """The project after docs/models.md."""
    follow(project, "models.md")
    return project


def check_versions(folder: Path, name: str, count: int) -> None:
    """As many versions as trainings, the newest under dev; each answers as its training framework did."""
    store = f"sqlite:///{folder / 'mlflow.db'}"
    registry, client = MlflowRegistry(store, folder / "outputs/servables"), mlflow.MlflowClient(store)
    versions = [registry.find(f"models:/{name}/{number}") for number in range(1, count + 1)]
    assert registry.find(f"models:/{name}@dev").version == str(count)
    for version in versions:
        engine = Engine(registry.download(version))
        columns, _ = read_heldout(engine.folder, engine.contract)
        table = pyarrow.parquet.read_table(engine.folder / "heldout.parquet")
        target = engine.contract.target
        for output, got in engine.flat(engine.run(columns)).items():
            want = table[output].to_numpy()
            if got.dtype.kind == "f":
                assert (np.abs(got - want) <= target.tolerance * (target.deviation + np.abs(want))).all()
            else:
                assert (got == want).all()
        assert client.get_run(version.run_id).data.metrics["export/parity"] <= 1


def test_a_model_of_ones_own(modelled):
    check_versions(modelled, PACKAGE, 3)
    check_versions(modelled, "breast_cancer", 1)


def test_the_list_of_converters_is_whole():
    page = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    assert [name for name in (*converters.WRITERS, *converters.BY_SKL2ONNX) if f"`{name}`" not in page] == []


def test_a_table_of_ones_own(project):
    printed = follow(project, "data.md")
    assert "178 rows: " in printed
    check_versions(project, "wine", 1)
    lines = (project / "outputs/wine.csv").read_text().splitlines()
    assert len(lines) == 179
    assert lines[0].startswith('"bottle","cultivar_prediction","cultivar_probabilities_0"')


def test_serving(project, tmp_path):
    folder = tmp_path / "project"  # its rules and versions are nobody else's concern
    left_out = shutil.ignore_patterns("mlflow.db*", "mlruns", "outputs", "__pycache__")
    shutil.copytree(project, folder, symlinks=True, ignore=left_out)
    printed = follow(folder, "serving.md")
    assert "tritonclient: (2, 1)" in printed
    assert '"model":{"name":"' + PACKAGE + '","version":"1","alias":"dev"}' in printed
    assert '"following":{"registry":"answers","from":"registry","trouble":null,"refused":null}' in printed
    assert '"needs_review":true' in printed


def test_mlflow(modelled):
    printed = follow(modelled, "mlflow.md")
    assert '{"predictions": [{"progression_prediction": ' in printed
    assert f"registered {PACKAGE} version 1 under dev" in printed  # the server's first; the embedded store has more
    assert (modelled / "outputs/server/mlflow.db").exists()


def test_scoring_files(project):
    printed = follow(project, "batch.md")
    assert "442 rows scored by models:/" in printed
    assert "2 of 3 rows break the contract: outputs/patients_scored.rejects.csv" in printed
    outputs = project / "outputs"
    assert len((outputs / "patients_scored.csv").read_text().splitlines()) == 2
    reasons = pyarrow.csv.read_csv(outputs / "patients_scored.rejects.csv").select(["row", "reason"]).to_pylist()
    assert reasons == [
        {
            "row": 1,
            "reason": "column 'age' must be a finite number, row 1 holds 'old'; column 'bmi' may not be missing, row 1",
        },
        {"row": 2, "reason": "column 'bp' must be a finite number, row 2 holds 'inf'"},
    ]
    assert len((outputs / "mended_scored.csv").read_text().splitlines()) == 3
    assert not (outputs / "mended_scored.rejects.csv").exists()


def test_kubernetes(tmp_path, monkeypatch):
    project = copy_of_the_project(tmp_path / "project")
    base = project / "deployment/k8s/base/kustomization.yaml"  # the page begins where a new project does
    lines = base.read_text(encoding="utf-8").splitlines(keepends=True)
    base.write_text("".join(line for line in lines if not re.search(r"/(batch|metrics)$", line)), encoding="utf-8")
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    printed = follow(project, "kubernetes.md")
    assert "<   ALIAS: staging\n---\n>   ALIAS: prod\n" in printed
    (encoded,) = re.findall(r"^  SERVING_API_KEYS: (.+)$", printed, re.MULTILINE)
    assert re.fullmatch(rb"[0-9a-f]{64}", base64.b64decode(encoded))
    assert printed.endswith("kind: CronJob\n" + printed.count("kind: ServiceMonitor\n") * "kind: ServiceMonitor\n")


def test_lifecycle(tmp_path):
    """After the README's quick start: a lock and a commit."""
    project = committed(copy_of_the_project(tmp_path / "project"))
    printed = follow(project, "lifecycle.md")
    listed = [block for block in printed.split("breast_cancer: ") if block.startswith(("dev", "prod", "staging"))]
    assert [block.splitlines()[0] for block in listed] == ["dev 1, prod 1, staging 1", "prod 1"]
    assert "refused  quality" in printed
    assert "passed   group" in printed
