"""A row keeps its side: whatever the table's size, order or types."""

import struct
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from {{ cookiecutter.project_slug }}.data.splits import (
    assign,
    folds,
    hash_share,
    inner_validation,
    row_hash,
)
from {{ cookiecutter.project_slug }}.data.table import Table
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.data import DataConfig

from ..configs import data_config, table_of

ROWS = 4_000
COLUMNS = {
    "id": {"kind": "integer", "role": "key"},
    "group": {"kind": "category"},
    "when": {"kind": "time"},
    "number": {"kind": "number"},
    "side": {"kind": "category", "role": "ignored"},
    "y": {"kind": "number"},
}
KEYLESS = {name: column for name, column in COLUMNS.items() if name != "id"}


def frame() -> pd.DataFrame:
    draw = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "id": 2**53 + np.arange(ROWS),
            "group": draw.choice([f"g{number}" for number in range(200)], ROWS),
            "when": draw.integers(0, 10**9, ROWS),
            "number": np.where(draw.random(ROWS) < 0.1, np.nan, draw.integers(-3, 3, ROWS) / 1.0),
            "side": np.repeat(["train", "validation", "heldout", "train"], ROWS // 4),
            "y": draw.normal(size=ROWS),
        }
    )


def config(columns: dict[str, Any] = COLUMNS, **split: Any) -> DataConfig:
    return data_config(columns, "y", split={"method": "hash"} | split)


def sides(table: pd.DataFrame, how: DataConfig) -> np.ndarray:
    return assign(table_of(table, how), how)


def mix(bits: int) -> int:
    """The finaliser of splitmix64 on Python's integers."""
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB % 2**64
    return bits ^ (bits >> 31)


def test_pinned_values() -> None:
    """Other values mean that every project's held-out rows change with an update of the template."""
    text, numbers = np.array(["grün", ""], object), np.array([1.0, np.nan])
    assert row_hash({"k": text}).tolist() == [11663155997643008259, 5323092005331881792]
    assert row_hash({"k": numbers}).tolist() == [7622688173104519420, 4605732355910062285]
    assert row_hash({"a": text, "b": numbers}).tolist() == [13248316961688647325, 1458015093484955819]
    assert row_hash({"k": np.array([-0.0])}).tolist() == row_hash({"k": np.array([0.0])}).tolist()


def test_the_hash_is_splitmix64() -> None:
    golden = 0x9E3779B97F4A7C15
    assert mix(golden) == 0xE220A8397B1DCDAF  # the first number that splitmix64 draws from the seed 0
    (bits,) = struct.unpack("<Q", struct.pack("<d", 1.0))
    assert row_hash({"k": np.array([1.0])}).tolist() == [mix((mix(bits ^ golden) + golden) % 2**64)]


@pytest.mark.parametrize("columns", [COLUMNS, KEYLESS])
def test_shares(columns: dict[str, Any]) -> None:
    got = pd.Series(sides(frame(), config(columns, heldout=0.2, validation=0.1))).value_counts(normalize=True)
    assert got["heldout"] == pytest.approx(0.2, abs=0.02)
    assert got["validation"] == pytest.approx(0.1, abs=0.02)
    share = hash_share(table_of(frame(), config(columns)), config(columns))
    assert np.histogram(share, 10, (0, 1))[0] == pytest.approx(np.full(10, ROWS / 10), rel=0.2)


@pytest.mark.parametrize("columns", [COLUMNS, KEYLESS])
def test_the_table_grows_and_is_shuffled(columns: dict[str, Any]) -> None:
    table, how = frame(), config(columns)
    before = sides(table.iloc[: ROWS // 2], how)
    assert (sides(table, how)[: ROWS // 2] == before).all()
    order = np.random.default_rng(2).permutation(ROWS)
    assert (sides(table.iloc[order], how) == sides(table, how)[order]).all()
    reordered = {name: columns[name] for name in reversed(columns)}
    assert (sides(table, config(reordered)) == sides(table, how)).all()


def test_the_target_decides_nothing() -> None:
    table, how = frame(), config(KEYLESS)
    assert (sides(table.assign(y=0.0), how) == sides(table, how)).all()


@pytest.mark.parametrize(
    "convert",
    [
        lambda table: table.astype({"number": "Float64", "group": "category", "id": "Int64"}),
        lambda table: table.astype({"group": "string[pyarrow]", "id": object, "when": float}),
        lambda table: table.assign(when=pd.to_datetime(table["when"], unit="s")),
        lambda table: table.assign(
            number=[None if v != v else str(v) for v in table["number"]], id=table["id"].map(str)
        ),
        lambda table: table.astype({"number": "float32"}),
        lambda table: table.replace({"number": {0.0: -0.0}}),
    ],
)
@pytest.mark.parametrize("columns", [COLUMNS, KEYLESS])
def test_types_decide_nothing(convert: Callable[[pd.DataFrame], pd.DataFrame], columns: dict[str, Any]) -> None:
    table, how = frame(), config(columns)
    assert (sides(convert(table), how) == sides(table, how)).all()


def test_groups_stay_together() -> None:
    table, how = frame(), config(by=["group"])
    by_group = pd.Series(sides(table, how)).groupby(table["group"].to_numpy()).nunique()
    assert set(by_group) == {1}
    assert pd.Series(folds(table_of(table, how), how, 5)).groupby(table["group"].to_numpy()).nunique().max() == 1


def test_by_time() -> None:
    first, second = datetime(1985, 1, 1, tzinfo=UTC), datetime(1995, 6, 1, tzinfo=UTC)
    how = config(method="time", column="when", validation_from=first.isoformat(), heldout_from="1995-06-01")
    when = frame()["when"]
    want = np.select([when >= second.timestamp(), when >= first.timestamp()], ["heldout", "validation"], "train")
    assert (sides(frame(), how) == want).all()
    edge = frame().assign(when=[second.timestamp()] + [second.timestamp() - 1] + [0.0] * (ROWS - 2))
    assert sides(edge, how)[:3].tolist() == ["heldout", "validation", "train"]
    number = folds(table_of(frame(), how), how, 4)
    assert np.bincount(number).tolist() == [ROWS // 4] * 4
    assert [when[number == k].max() < when[number == k + 1].min() for k in range(3)] == [True] * 3


def test_by_column() -> None:
    how = config(method="column", column="side")
    assert (sides(frame(), how) == frame()["side"]).all()


@pytest.mark.parametrize(
    ("table", "how", "message"),
    [
        (frame().assign(side="test"), config(method="column", column="side"),
         "data.split: 'side' must say train, validation or heldout; row 0 says 'test'"),
        (frame().assign(side="train"), config(method="column", column="side"),
         "data.split: no row of 4000 is on the side 'validation'"),
        (frame().assign(when=None),
         config(method="time", column="when", validation_from="2000-01-01", heldout_from="2001-01-01"),
         "data.split: column 'when' has no time in row 0"),
    ],
)  # fmt: skip
def test_refused(table: pd.DataFrame, how: DataConfig, message: str) -> None:
    with pytest.raises(UserError) as error:
        sides(table, how)
    assert str(error.value) == message


def test_folds_cover_all_rows_evenly_and_without_the_heldout_ones() -> None:
    how = config(heldout=0.3)
    whole = table_of(frame(), how)
    number = folds(whole, how, 5)
    assert len(number) == ROWS
    assert np.bincount(number) == pytest.approx(np.full(5, ROWS / 5), rel=0.1)
    rest: Table = whole.take(assign(whole, how) != "heldout")
    inner = folds(rest, how, 5, heldout=False)
    assert len(inner) == len(rest) < ROWS
    assert np.bincount(inner) == pytest.approx(np.full(5, len(rest) / 5), rel=0.1)


def test_the_inner_validation_is_independent_of_the_folds() -> None:
    how = config(validation=0.1)
    table = table_of(frame(), how)
    stop, number = inner_validation(table, how), folds(table, how, 5)
    shares = [stop[number == fold].mean() for fold in range(5)]
    assert shares == pytest.approx([0.1] * 5, abs=0.04)
