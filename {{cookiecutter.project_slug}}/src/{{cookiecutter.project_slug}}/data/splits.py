"""Who trains on which row. A row never changes sides when the table grows: nothing depends on a row's position."""

import hashlib
from collections.abc import Sequence

import numpy as np

from ..ports import UserError
from ..schemas.data import ColumnSplit, DataConfig, HashSplit, TimeSplit
from .table import Table, features_of, keys_of

TRAIN, VALIDATION, HELDOUT = "train", "validation", "heldout"


def assign(table: Table, config: DataConfig) -> np.ndarray:
    """The side of each row, text `[N]`: train, validation or heldout.

    Raises:
        UserError: a side is empty, or the split's column holds something else.
    """
    split = config.split
    if isinstance(split, HashSplit):
        share = hash_share(table, config)
        sides = np.where(
            share < split.heldout, HELDOUT, np.where(share < split.heldout + split.validation, VALIDATION, TRAIN)
        )
    elif isinstance(split, TimeSplit):
        time = _times(table, split)
        later = time >= split.heldout_from.timestamp()
        sides = np.where(later, HELDOUT, np.where(time >= split.validation_from.timestamp(), VALIDATION, TRAIN))
    else:
        sides = _from_column(table, split)
    for side in (TRAIN, VALIDATION, HELDOUT):
        if not (sides == side).any():
            raise UserError(f"data.split: no row of {len(table)} is on the side {side!r}")
    return sides


def folds(table: Table, config: DataConfig, count: int, *, heldout: bool = True) -> np.ndarray:
    """The fold of each row, int64 `[N]`: by the same hash; by time, consecutive ones of equal size.

    Args:
        table: all rows, or those that are not held out.
        config: says what is hashed.
        count: number of folds.
        heldout: whether the held-out rows are among them.
    """
    if isinstance(config.split, TimeSplit):
        time = _times(table, config.split)
        edges = np.quantile(time, np.arange(1, count) / count)
        return np.searchsorted(edges, time, side="right")
    share = hash_share(table, config)
    if not heldout and isinstance(config.split, HashSplit):  # the others fill only [heldout, 1): stretch them
        share = (share - config.split.heldout) / (1 - config.split.heldout)
    return np.minimum((share * count).astype(np.int64), count - 1)


def _times(table: Table, split: TimeSplit) -> np.ndarray:
    time = table.columns[split.column][:, 0]
    if np.isnan(time).any():
        raise UserError(f"data.split: column {split.column!r} has no time in row {np.flatnonzero(np.isnan(time))[0]}")
    return time


def inner_validation(table: Table, config: DataConfig) -> np.ndarray:
    """Mask `[N]` of the rows that stop a fold's training early: a second hash, independent of the folds."""
    fraction = config.split.validation if isinstance(config.split, HashSplit) else 0.1
    share = _unit(_mix(_row_hashes(table, config) ^ np.uint64(0xD6E8FEB86659FD93)))
    mask: np.ndarray = share < fraction
    return mask


def hash_share(table: Table, config: DataConfig) -> np.ndarray:
    """A number in [0, 1) for each row that depends on nothing but the row's own hashed columns."""
    return _unit(_row_hashes(table, config))


def _row_hashes(table: Table, config: DataConfig) -> np.ndarray:
    by: Sequence[str] | None = config.split.by if isinstance(config.split, HashSplit) else None
    names = by or keys_of(config) or sorted(features_of(config))
    return row_hash({name: table.columns[name][:, 0] for name in names})


def row_hash(columns: dict[str, np.ndarray]) -> np.ndarray:
    """64 bits per row, uint64 `[N]`, from encoded columns `[N]`; the same whatever type a reader chose.

    Numbers by splitmix64 over their float64 bits (Steele, Lea and Flood, OOPSLA 2014), with one NaN and no negative
    zero; text by BLAKE2b.
    """
    result: np.ndarray | None = None
    with np.errstate(over="ignore"):
        for position, values in enumerate(columns.values(), start=1):
            salt = np.uint64(position * 0x9E3779B97F4A7C15 % 2**64)
            column = _mix(_column_hash(values) + salt)
            result = column if result is None else _mix(result ^ column)
    assert result is not None, "a hash needs a column"
    return result


def _column_hash(values: np.ndarray) -> np.ndarray:
    if values.dtype != object:
        clean = np.where(np.isnan(values), np.nan, values + 0.0)
        return _mix(clean.astype("<f8").view("<u8") ^ np.uint64(0x9E3779B97F4A7C15))
    unique, codes = np.unique(values, return_inverse=True)
    digests = [hashlib.blake2b(text.encode(), digest_size=8).digest() for text in unique.tolist()]
    return np.frombuffer(b"".join(digests), "<u8")[codes]


def _mix(bits: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = bits ^ (bits >> np.uint64(31))
    return mixed


def _unit(bits: np.ndarray) -> np.ndarray:
    return (bits >> np.uint64(11)) / 2.0**53


def _from_column(table: Table, split: ColumnSplit) -> np.ndarray:
    sides = table.columns[split.column][:, 0]
    wrong = np.flatnonzero(~np.isin(sides.astype(str), [TRAIN, VALIDATION, HELDOUT]))
    if len(wrong):
        raise UserError(f"data.split: {split.column!r} must say train, validation or heldout; row {wrong[0]} says "
                        f"{sides[wrong[0]]!r}")  # fmt: skip
    return sides.astype(str)
