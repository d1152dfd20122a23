"""A prepared table in memory: wire-encoded columns."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..schemas.contract import Source
from ..schemas.data import DataConfig


@dataclass(frozen=True)
class Table:
    """Encoded columns of equal length, and where they came from."""

    columns: dict[str, np.ndarray]
    """float64 or text `[N, 1]` by name: every column of `data.columns`, then those of the feature tables."""
    fingerprint: str
    """sha256 of the raw table's bytes."""
    folder: Path
    """Where `table.parquet` and `feature_tables/` lie."""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def take(self, rows: np.ndarray) -> "Table":
        """Some rows, by position or by mask."""
        return Table({name: array[rows] for name, array in self.columns.items()}, self.fingerprint, self.folder)


def features_of(config: DataConfig) -> list[str]:
    """The raw columns that are inputs, in their order."""
    return [name for name, c in config.columns.items() if c.role == "feature" and name != config.target]


def sources_of(config: DataConfig) -> dict[str, Source]:
    """The columns that feature tables add, with how they are looked up."""
    return {
        name: Source(table=table, entity=tables.entity, time=tables.time)
        for table, tables in config.feature_tables.items()
        for name in tables.columns
    }


def keys_of(config: DataConfig) -> list[str]:
    """The columns that identify a row."""
    return [name for name, column in config.columns.items() if column.role == "key"]
