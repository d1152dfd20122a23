"""`schema`, then `train`, on tables that nobody prepared: the model is well above a constant prediction."""

import os
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn import datasets

from {{ cookiecutter.project_slug }}.cli.train import train
from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry

from ..project import composed, make_project, store
from ..tables_of_users import describe, messy

pytestmark = pytest.mark.slow
FEW_TREES = [
    "++model.regressor.n_estimators=150",
    "++model.classifier.n_estimators=150",
    "++model.regressor.learning_rate=0.1",
]
FAST = ["evaluation.importance_repeats=0", "progress=false"]
REAL = Path(os.environ.get("ML_TEMPLATE_DATA", ""))
TARGETS = {"california_housing.csv": ("median_house_value", 0.75), "ETTh1.csv": ("OT", 0.3)}
"""Tables of the folder that ML_TEMPLATE_DATA names: the target, and the share of its variance that must be explained."""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(make_project(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store())
    return tmp_path


def trained(name: str, *overrides: str) -> dict[str, float]:
    """Train what `schema` described, and return the run's metrics."""
    version = train(composed("train", f"experiment={name}", *FAST, *overrides))
    assert version.name == name
    return dict(mlflow.MlflowClient(store()).get_run(version.run_id).data.metrics)


@pytest.mark.parametrize("file", sorted(TARGETS))
def test_real_tables(project, file):
    if not (REAL / file).is_file() or not os.environ.get("ML_TEMPLATE_DATA"):
        pytest.skip(f"needs {file} in the folder that ML_TEMPLATE_DATA names")
    target, least = TARGETS[file]
    describe(REAL / file, target, "real")
    columns = yaml.safe_load(Path("config/data/real.yaml").read_text())["columns"]
    assert list(columns) == list(pd.read_csv(REAL / file, nrows=1))
    metrics = trained("real", *FEW_TREES)
    assert metrics["test/r2"] > least
    assert metrics["export/parity"] <= 1


def test_every_real_table_has_a_target_here():
    if not os.environ.get("ML_TEMPLATE_DATA"):
        pytest.skip("needs the folder that ML_TEMPLATE_DATA names")
    assert {path.name for path in REAL.glob("*.csv")} <= set(TARGETS)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize(
    ("dataset", "accuracy"), [("wine", 0.85), ("iris", 0.8), ("breast_cancer", 0.85), ("digits", 0.85)]
)
def test_classes_of_messy_tables(project, capsys, dataset, accuracy, suffix):
    bunch = getattr(datasets, f"load_{dataset}")(as_frame=True)
    frame = bunch.frame
    if dataset in ("wine", "breast_cancer"):
        frame["target"] = [str(bunch.target_names[code]) for code in frame["target"]]
    frame = messy(frame, "target")
    frame.loc[frame.index[::25], "target"] = None
    path = Path(f"{dataset}{suffix}")
    if suffix == ".csv":
        frame.to_csv(path, index=False)
    else:  # as pandas writes it: the column with the odd mark is text, the target has gaps
        frame.astype({frame.columns[0]: str}).to_parquet(path)
    found = describe(path, "target", f"my_{dataset}")
    roles = {column.name: (column.role, column.kind) for column in found.columns}
    assert found.target.task == "classification"
    assert roles["sample_id"] == ("key", "category")
    assert roles["measured on"] == ("time", "time")
    assert roles["lab=code"] == ("feature", "category")
    assert roles["unit.of.measure"] == ("ignored", "category")
    assert f"classification of 'target' into {frame['target'].nunique()} classes" in capsys.readouterr().out
    metrics = trained(f"my_{dataset}")
    constant = frame["target"].value_counts(normalize=True).iloc[0]
    assert metrics["test/accuracy"] > accuracy > constant + 0.2
    assert metrics["export/parity"] <= 1


def test_a_leak_is_not_trained_on(project):
    bunch = datasets.load_diabetes(as_frame=True, scaled=False)
    frame = bunch.frame.assign(index=bunch.frame["target"] * 2 + 3)
    frame.to_csv("diabetes2.csv", index=False)
    describe(Path("diabetes2.csv"), "target", "leaky")
    metrics = trained("leaky")
    assert 0.25 < metrics["test/r2"] < 0.8


def test_the_times_of_a_split_by_time_travel_with_the_servable(project):
    days = pd.Timestamp("2022-01-01") + pd.to_timedelta(np.arange(400), unit="D")
    x = np.random.default_rng(0).normal(size=400)
    y = x * 2 + np.random.default_rng(1).normal(size=400)
    pd.DataFrame({"day": days.strftime("%Y-%m-%d"), "x": x, "y": y}).to_csv("own.csv", index=False)
    describe(Path("own.csv"), "y", "timed")
    path = Path("config/data/timed.yaml")
    lines = path.read_text().splitlines()
    start = lines.index("# split:")
    path.write_text("\n".join([*lines[:start], *(line.removeprefix("# ") for line in lines[start:])]))
    version = train(composed("train", "experiment=timed", *FAST))
    folder = MlflowRegistry(store(), Path("outputs/servables")).download(version)
    heldout = pd.read_parquet(folder / "heldout.parquet")
    config = yaml.safe_load(path.read_text())
    earliest = pd.Timestamp(config["split"]["heldout_from"]).timestamp()
    assert heldout["day"].min() == earliest
    assert len(heldout) == (days >= pd.Timestamp(earliest, unit="s")).sum()
    shutil.rmtree(folder)
