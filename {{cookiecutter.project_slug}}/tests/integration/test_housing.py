"""A real table with gaps, a category and a feature table: training, batch and HTTP agree on every held-out row."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from {{ cookiecutter.project_slug }}.data.splits import HELDOUT
from {{ cookiecutter.project_slug }}.inference.batch import score
from {{ cookiecutter.project_slug }}.inference.engine import Engine

from ..agreement import as_frame, assert_agree
from ..configs import SMALL, composed
from ..servables import serving
from ..trainings import Trained, train

pytestmark = pytest.mark.slow
FEATURE = "neighbourhood_income"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """California housing, as the tutorials have it."""
    path = Path(os.environ.get("ML_TEMPLATE_DATA", "")) / "california_housing.csv"
    if not path.is_file():
        pytest.skip("needs california_housing.csv in the folder that ML_TEMPLATE_DATA names")
    return pd.read_csv(path)


@pytest.fixture(scope="module")
def housing(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The bundled experiment, with few trees."""
    folder = tmp_path_factory.mktemp("housing")
    table.to_csv(folder / "housing.csv", index=False)
    overrides = ["experiment=california_housing", f"data.path={folder}/housing.csv", *SMALL["lightgbm"]]
    return train(composed(folder, overrides), folder / "servable")


@pytest.fixture(scope="module")
def rows(table: pd.DataFrame, housing: Trained) -> pd.DataFrame:
    """The held-out rows; they have no column of the feature table."""
    return table[housing.sides == HELDOUT].reset_index(drop=True)


def slow_income(table: pd.DataFrame) -> np.ndarray:
    """Mean income of all rows in the same cell of a quarter of a degree."""
    cells: dict[tuple[float, float], list[float]] = {}
    keys = [(x // 0.25, y // 0.25) for x, y in zip(table["longitude"], table["latitude"], strict=True)]
    for key, income in zip(keys, table["median_income"], strict=True):
        cells.setdefault(key, []).append(income)
    return np.array([sum(cells[key]) / len(cells[key]) for key in keys])


def test_the_feature_table(table: pd.DataFrame, housing: Trained) -> None:
    np.testing.assert_allclose(housing.table.columns[FEATURE][:, 0], slow_income(table), rtol=1e-9)
    column = next(column for column in housing.servable.contract.columns if column.name == FEATURE)
    assert column.source is not None
    assert column.source.table == "neighbourhood"
    assert FEATURE in housing.fitted.front_end.names


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_batch_joins_the_feature_table(housing: Trained, rows: pd.DataFrame, tmp_path: Path, suffix: str) -> None:
    source, scored = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    write, read = (rows.to_csv, pd.read_csv) if suffix == ".csv" else (rows.to_parquet, pd.read_parquet)
    write(source, index=False)
    score(Engine(housing.servable.folder), source, scored, rows=1_000)
    want = as_frame(housing.expected, None)
    assert want["median_house_value_prediction"].nunique() > 500
    assert_agree(read(scored), want, rows["median_house_value"].std())


def test_http_is_given_the_feature(housing: Trained, rows: pd.DataFrame) -> None:
    from fastapi.testclient import TestClient

    from deployment.api.app import create_app

    given = rows.drop(columns="median_house_value").assign(**{FEATURE: housing.heldout.columns[FEATURE][:, 0]})
    records = given.astype(object).where(given.notna(), None).to_dict("records")
    assert any(record["total_bedrooms"] is None for record in records)
    got = []
    with TestClient(create_app(serving(housing.servable.folder))) as client:
        for start in range(0, len(records), 1_000):
            body = json.dumps({"records": records[start : start + 1_000]}, allow_nan=False)
            answer = client.post("/predict", content=body, headers={"content-type": "application/json"})
            assert answer.status_code == 200, answer.text[:300]
            got += answer.json()["predictions"]
    assert_agree(pd.DataFrame(got), as_frame(housing.expected, None), rows["median_house_value"].std())
