"""Configurations of small trainings: the project's own, with a table and overrides of the test."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import pandas as pd
import yaml

from {{ cookiecutter.project_slug }}.data.table import Table
from {{ cookiecutter.project_slug }}.inference.wire import encode_column, encode_key
from {{ cookiecutter.project_slug }}.schemas.config import TrainConfig, validate
from {{ cookiecutter.project_slug }}.schemas.data import DataConfig

PROJECT = Path(__file__).parents[1]
SMALL = {
    "linear": [],
    "lightgbm": ["model.regressor.n_estimators=15", "model.classifier.n_estimators=15"],
    "xgboost": ["model.regressor.n_estimators=15", "model.classifier.n_estimators=15"],
    "random_forest": ["model.regressor.n_estimators=8", "model.classifier.n_estimators=8"],
    "mlp": ["trainer.max_epochs=3", "trainer.accelerator=cpu", "model.hidden=[32]"],
}
"""Overrides that make each bundled model small."""


def train_config(folder: Path, data: Mapping[str, Any], overrides: Sequence[str]) -> TrainConfig:
    """`config/train.yaml` with a data configuration of its own, as an experiment file would select it.

    Args:
        folder: where the configuration, tables and checkpoints of the test go.
        data: `config/data/<name>.yaml`.
        overrides: as on the command line.
    """
    search = folder / "config"
    for group, text in (
        ("data", yaml.safe_dump({"defaults": ["base", "_self_"], **data}, allow_unicode=True, sort_keys=False)),
        ("experiment", "# @package _global_\ndefaults:\n  - override /data: of_the_test\n"),
    ):
        (search / group).mkdir(parents=True, exist_ok=True)
        (search / group / "of_the_test.yaml").write_text(text, encoding="utf-8")
    return composed(folder, [f"hydra.searchpath=[file://{search}]", "experiment=of_the_test", *overrides])


def composed(folder: Path, overrides: Sequence[str]) -> TrainConfig:
    """`config/train.yaml`, writing to a folder of the test."""
    fixed = [
        f"data.raw_dir={folder}/raw",
        f"data.processed_dir={folder}/processed",
        f"trainer.checkpoints={folder}/checkpoints",
        f"mlflow.tracking_uri=sqlite:///{folder}/mlflow.db",
        "threads=1",
        "evaluation.golden_rows=64",
    ]
    with hydra.initialize_config_dir(str(PROJECT / "config"), version_base="1.3"):
        return validate(TrainConfig, hydra.compose("train", [*fixed, *overrides]))


def data_config(columns: Mapping[str, Mapping[str, Any]], target: str, **others: Any) -> DataConfig:
    """A data configuration that is made without files."""
    values = {
        "name": "table",
        "path": "table.csv",
        "raw_dir": "raw",
        "processed_dir": "processed",
        "drop_missing_target": False,
        "task": "regression",
        "missing": "allowed",
        "feature_tables": {},
        "split": {"method": "hash"},
    }
    return DataConfig(columns=columns, target=target, **values | others)


def table_of(values: Mapping[str, Any] | pd.DataFrame, config: DataConfig) -> Table:
    """A prepared table in memory, encoded as `prepare` does it."""
    tokens, encoded = set(config.missing_tokens), {}
    for name, column in config.columns.items():
        if column.role == "key":
            encoded[name] = np.asarray(encode_key(values[name], name))[:, None]
        else:
            encoded[name] = encode_column(values[name], {"name": name, "kind": column.kind}, tokens)
    return Table(encoded, "", Path())
