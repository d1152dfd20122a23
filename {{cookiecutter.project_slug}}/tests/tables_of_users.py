"""Tables as people have them, and the verb `schema` on them, in process."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from {{ cookiecutter.project_slug }}.cli.schema import schema
from {{ cookiecutter.project_slug }}.data.guesses import Guess
from {{ cookiecutter.project_slug }}.data.inspection import Inspection, inspect
from {{ cookiecutter.project_slug }}.schemas.config import validate
from {{ cookiecutter.project_slug }}.schemas.guesses import SchemaConfig

from .project import composed

ROWS = 400


def numbers(rows: int = ROWS, seed: int = 0) -> np.ndarray:
    """Numbers that nothing depends on, float64 `[rows]`."""
    return np.random.default_rng(seed).normal(size=rows).round(6)


def limits(**overrides: Any) -> SchemaConfig:
    """The project's own thresholds, with a target `y`; the working directory is the project's root."""
    given = {"path": "own.csv", "target": "y", "name": "own"} | overrides
    return validate(SchemaConfig, composed("schema", *(f"{key}={value}" for key, value in given.items())))


def inspected(columns: dict[str, Any], **overrides: Any) -> Inspection:
    """Guesses for columns of equal length as a CSV file would hold them: all text; a target is added where none is."""
    given = {
        name: pa.array([None if v is None else str(v) for v in values], pa.string()) for name, values in columns.items()
    }
    if "y" not in given:
        given["y"] = pa.array([str(v) for v in numbers(len(next(iter(given.values()))), seed=99)])
    return inspect(pa.table({"x": [str(v) for v in numbers(len(given["y"]), seed=7)]} | given), limits(**overrides))


def guessed(cells: Any, name: str = "c", **overrides: Any) -> Guess:
    """The guess for one column beside a number and a target of no relation to it."""
    return next(found for found in inspected({name: list(cells)}, **overrides).columns if found.name == name)


def describe(path: Path, target: str, name: str, *overrides: str) -> Inspection:
    """Run the verb in process; the working directory is a project."""
    return schema(composed("schema", f"path={path}", f"target={target}", f"name={name}", *overrides))


def messy(frame: pd.DataFrame, target: str, seed: int = 0) -> pd.DataFrame:
    """A tidy table with what real ones have: an id, a date, a code with zeros, gaps, an odd mark, a constant."""
    draw = np.random.default_rng(seed)
    rows = len(frame)
    frame = frame.sample(frac=1.0, random_state=seed).reset_index(drop=True)
    first = next(name for name in frame if name != target)
    days = pd.Timestamp("2021-03-01") + pd.to_timedelta(draw.integers(0, 900, rows), unit="D")
    marked = frame[first].astype(object).where(draw.random(rows) > 0.05, "?")
    second = next(name for name in frame if name not in (first, target))
    return frame.assign(
        **{
            first: marked,
            second: frame[second].where(draw.random(rows) > 0.1),
            "sample_id": [f"S-{number:05d}" for number in draw.permutation(rows)],
            "measured on": days.strftime("%Y-%m-%d"),
            "lab=code": [f"{code:03d}" for code in draw.integers(0, 9, rows)],
            "unit.of.measure": "mm",
            'größe "neu"': draw.integers(1, 100, rows),
        }
    )
