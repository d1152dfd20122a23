"""Writes the servables of this folder for the contract's version that the code writes; see the README beside it."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from {{ cookiecutter.project_slug }}.data.prepare import prepare
from {{ cookiecutter.project_slug }}.data.splits import TRAIN, VALIDATION, assign
from {{ cookiecutter.project_slug }}.schemas.contract import SCHEMA_VERSION
from {{ cookiecutter.project_slug }}.training.fit import fit
from {{ cookiecutter.project_slug }}.training.servable import export
from {{ cookiecutter.project_slug }}.utils.provenance import Code

from tests.configs import train_config

HERE = Path(__file__).parent
TARGETS = {"regression": "price", "classification": "band"}
ROWS, HELDOUT = 400, 64
CODE = Code(commit="c" * 40, branch=None, dirty=False, lock="f" * 64)
"""Invented, since a servable that can be promoted names them."""
COLUMNS = {
    "id": {"kind": "category", "role": "key"},
    "area": {"kind": "number", "unit": "m²", "missing": True},
    "rooms": {"kind": "integer", "missing": False},
    "new": {"kind": "boolean", "missing": True},
    "sold at": {"kind": "time", "missing": True},
    "city": {"kind": "category", "missing": True},
}
CITY_AREA = {"entity": [{"column": "city"}], "columns": {"city_area": {"of": "area", "function": "mean"}}}
"""A feature table: the mean area of a city's houses."""


def table() -> pd.DataFrame:
    """Houses: a key, every kind of column, gaps, and both targets; the same every time."""
    draw = np.random.default_rng(1)
    city = draw.choice(["nord", "süd", "5"], ROWS, p=[0.5, 0.3, 0.2])
    area, rooms, new = draw.uniform(30, 200, ROWS), draw.integers(1, 8, ROWS), draw.random(ROWS) < 0.3
    price = 3 * area + 20 * rooms + 50 * new + 80 * (city == "süd") + draw.normal(0, 10, ROWS)
    frame = pd.DataFrame(
        {
            "id": [f"h-{number}" for number in range(ROWS)],
            "area": np.where(draw.random(ROWS) < 0.1, np.nan, area.round(1)),
            "rooms": rooms,
            "new": np.where(draw.random(ROWS) < 0.1, None, new.astype(object)),
            "sold at": 1.6e9 + 86_400.0 * draw.integers(0, 1_000, ROWS),
            "city": np.where(draw.random(ROWS) < 0.1, None, city.astype(object)),
            "price": price.round(1),
        }
    )
    frame["band"] = np.array(["low", "mid", "high"], object)[np.digitize(price, [350, 550])]
    return frame


def write(folder: Path) -> None:
    """Train a linear model for each target and export it to `folder/<task>`, as `train` does."""
    for task, target in TARGETS.items():
        kind = "number" if task == "regression" else "category"
        with TemporaryDirectory() as name:
            scratch = Path(name)
            path = scratch / "houses.parquet"
            table().drop(columns=[other for other in TARGETS.values() if other != target]).to_parquet(path)
            data = {
                "name": "houses",
                "path": str(path),
                "target": target,
                "task": task,
                "columns": {**COLUMNS, target: {"kind": kind}},
                "feature_tables": {"cities": CITY_AREA},
            }
            fixed = ["model=linear", "mlflow.model=released", f"evaluation.heldout_rows={HELDOUT}"]
            config = train_config(scratch, data, fixed)
            prepared = prepare(config.data)
            sides = assign(prepared, config.data)
            fitted = fit(config, prepared, sides == TRAIN, sides == VALIDATION, lambda epoch, metrics: None)
            export(fitted, prepared, sides, config, CODE, folder / task)


if __name__ == "__main__":
    kept = HERE / f"contract-{SCHEMA_VERSION}"
    if kept.exists():
        sys.exit(f"{kept} is there already, and what was released never changes: write it only for a new version")
    write(kept)
