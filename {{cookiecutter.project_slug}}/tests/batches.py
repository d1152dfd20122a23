"""Rows for batch scoring as CSV and Parquet files hold them; and their predictions by numpy."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from tests.servables import CITY, ROWS, expected

CELLS = {
    "age": "40", "rooms per house": "3", "is.new": "true", "seen at": "2020-09-13", CITY: "süd", "income": "4.5",
}  # fmt: skip
"""A row as a CSV file holds it."""


def cells(count: int) -> list[dict[str, str]]:
    return [CELLS | {"age": str(20 + row % 60), "id": f"r{row}"} for row in range(count)]


def typed(count: int) -> list[dict[str, object]]:
    """Rows as Parquet holds them, with types and a column of width 3."""
    return [ROWS[0] | {"age": float(20 + row % 60), "id": row, CITY: "nord"} for row in range(count)]


def write(rows: list[dict[str, object]], path: Path, **options: object) -> Path:
    table = pa.Table.from_pylist(rows)
    if path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        pyarrow.parquet.write_table(table, path, **options)
    return path


def read(path: Path) -> list[dict[str, object]]:
    text = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(("id", "reason"), pa.string()))
    if path.suffix == ".csv":
        return pyarrow.csv.read_csv(path, convert_options=text).to_pylist()
    return pyarrow.parquet.read_table(path).to_pylist()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def want(rows: list[dict[str, object]]) -> np.ndarray:
    """Predictions by numpy, of rows as CSV holds them."""
    return expected([_typed(row) for row in rows], wide=False)["price_prediction"][:, 0]


def _typed(row: dict[str, object]) -> dict[str, object]:
    numbers = {name: float(row[name]) for name in ("age", "rooms per house", "income")}
    return row | numbers | {"is.new": row["is.new"] == "true"}
