"""Looking a row up in a feature table: values by entity, as of a time, never later."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..ports import UserError
from ..schemas.contract import Column, Contract, Entity
from .wire import STRICT, InputError, Misfits, encode_column, encode_key

ENTITY, TIME = "entity", "event_time"
"""The columns of every feature table's file, beside its values."""


@dataclass(frozen=True)
class FeatureTable:
    """Values by entity and, if they change, by the time from which on they hold."""

    entity: np.ndarray
    """Text `[M]`."""
    time: np.ndarray | None
    """Seconds since 1970, float64 `[M]`; None: the values hold at any time."""
    values: Mapping[str, np.ndarray]
    """float64 `[M]` by column."""

    @classmethod
    def read(cls, path: Path) -> "FeatureTable":
        """Read the Parquet file of a feature table."""
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(path)
        columns = {name: table[name].to_numpy() for name in table.column_names}
        return cls(columns.pop(ENTITY).astype(object), columns.pop(TIME, None), columns)

    def lookup(self, entity: np.ndarray, time: np.ndarray | None) -> dict[str, np.ndarray]:
        """The values that held just before each row's time, float64 `[N, 1]` by column; NaN where there are none."""
        if not len(self.entity):
            return {name: np.full((len(entity), 1), np.nan) for name in self.values}
        known, codes = np.unique(self.entity, return_inverse=True)
        position = np.minimum(np.searchsorted(known, entity), len(known) - 1)
        found = (entity != "") & (known[position] == entity)
        if self.time is None:
            row = np.argsort(codes, kind="stable")[position]
        else:
            if time is None:
                raise ValueError("a feature table with times is looked up as of a time")
            order = np.lexsort((self.time, codes))
            # complex numbers are ordered by their real part, then by their imaginary one
            place = np.searchsorted(
                codes[order] + 1j * self.time[order], position + 1j * np.nan_to_num(time), side="left"
            )
            row = order[np.maximum(place - 1, 0)]
            found &= ~np.isnan(time) & (place > 0) & (codes[row] == position)
        return {name: np.where(found, column[row], np.nan)[:, None] for name, column in self.values.items()}


def entity_of(columns: Mapping[str, np.ndarray], entity: Sequence[Entity]) -> np.ndarray:
    """The key of each row, text `[N]`, from encoded columns: its parts joined by `|`; "" where one is missing."""
    parts: list[list[str]] = []
    for part in entity:
        values = columns[part.column].reshape(-1)
        if part.grid is not None:
            values = np.floor(values / part.grid)
        column = {"name": part.column, "kind": "category"}
        parts.append(encode_column(values, column, {""})[:, 0].tolist())
    if len(parts) > 1:  # what a part itself holds of the separator is escaped
        parts = [[text.replace("\\", "\\\\").replace("|", "\\|") for text in part] for part in parts]
    return np.array(["|".join(row) if all(row) else "" for row in zip(*parts, strict=True)], object)


def reader(folder: Path) -> Callable[[str], FeatureTable]:
    """Feature tables of a directory by name, each read once.

    Raises:
        UserError: when called for one that is not there.
    """

    @functools.cache
    def read(name: str) -> FeatureTable:
        path = folder / f"{name}.parquet"
        if not path.is_file():
            raise UserError(f"there is no feature table {path}")
        return FeatureTable.read(path)

    return read


def add_missing_columns(
    columns: Mapping[str, object],
    contract: Contract,
    read: Callable[[str], FeatureTable],
    misfits: Misfits = STRICT,
) -> dict[str, object]:
    """The input with the columns of feature tables joined where it lacks them.

    Args:
        columns: the input's columns by name.
        contract: says which columns come from which table.
        read: gives a feature table by its name; see `reader`.
        misfits: what is told of values that do not fit; the default raises at the first.

    Raises:
        InputError: a column that a table is looked up by is absent or does not fit its kind.
    """
    joined = dict(columns)
    known = {column.name: column for column in contract.columns}
    tokens = frozenset(contract.missing_tokens)
    absent = {column.source.table: column.source for column in contract.columns
              if column.source is not None and column.name not in columns}  # fmt: skip
    for name, source in absent.items():
        needed = [part.column for part in source.entity] + ([source.time] if source.time else [])
        for column in needed:
            if column not in columns:
                raise InputError(f"missing column: {column!r}, by which the feature table {name!r} is looked up")
        encoded = {}
        for column in needed:
            # Only a time may be no input: its role is then time, and the contract does not hold it.
            what = known.get(column, Column(name=column, kind="time"))
            if what.role == "key":
                encoded[column] = encode_key(columns[column], column, misfits)[:, None]
            else:
                encoded[column] = encode_column(columns[column], what.model_dump(), tokens, misfits)
        time = encoded[source.time][:, 0] if source.time else None
        values = read(name).lookup(entity_of(encoded, source.entity), time)
        joined |= {column: array for column, array in values.items() if column not in columns}
    return joined
