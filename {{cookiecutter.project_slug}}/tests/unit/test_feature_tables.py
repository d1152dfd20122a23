"""Feature tables: aggregates over other rows, never a later one; against a slow loop."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from {{ cookiecutter.project_slug }}.data.feature_tables import compute
from {{ cookiecutter.project_slug }}.data.prepare import prepare, write_feature_table
from {{ cookiecutter.project_slug }}.inference import feature_tables
from {{ cookiecutter.project_slug }}.inference.wire import InputError
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.contract import Column, Contract, Entity, Source, Target
from {{ cookiecutter.project_slug }}.schemas.data import DataConfig

from ..configs import data_config, table_of

ROWS = 400
COLUMNS = {
    "shop": {"kind": "category"},
    "when": {"kind": "time"},
    "lon": {"kind": "number"},
    "sales": {"kind": "number"},
    "colour": {"kind": "category"},
    "y": {"kind": "number"},
}
AGGREGATES = {
    "mean_sales": {"of": "sales", "function": "mean"},
    "least_sales": {"of": "sales", "function": "min"},
    "most_sales": {"of": "sales", "function": "max"},
    "sales_known": {"of": "sales", "function": "count"},
    "colours_known": {"of": "colour", "function": "count"},
}
LOOP = {"mean": np.mean, "min": min, "max": max, "count": len}


def frame() -> pd.DataFrame:
    """Rows out of order, several at the same time, with gaps everywhere."""
    draw = np.random.default_rng(4)
    return pd.DataFrame(
        {
            "shop": draw.choice(["a", "grün", "c|d", None], ROWS, p=[0.5, 0.3, 0.15, 0.05]),
            "when": np.where(draw.random(ROWS) < 0.05, np.nan, draw.integers(0, 60, ROWS) * 86_400.0),
            "lon": draw.uniform(-1, 1, ROWS),
            "sales": np.where(draw.random(ROWS) < 0.3, np.nan, draw.normal(100, 30, ROWS)),
            "colour": draw.choice(["red", None], ROWS),
            "y": draw.normal(size=ROWS),
        }
    )


def config(aggregates: dict[str, Any] = AGGREGATES, time: str | None = "when", **others: Any) -> DataConfig:
    table = {"entity": [{"column": "shop"}], "time": time, "columns": aggregates}
    return data_config(COLUMNS, "y", feature_tables={"shops": table}, **others)


def slow(table: pd.DataFrame, of: str, function: str, *, by_time: bool) -> list[float]:
    """The aggregate over the rows of the same shop, those before the row's own time where there is one."""
    rows, values = table.to_dict("records"), []
    for row in rows:
        same = [other for other in rows if other["shop"] == row["shop"] and row["shop"] is not None]
        if by_time:
            same = [other for other in same if other["when"] < row["when"]]
        known = [other[of] for other in same if not pd.isna(other[of])]
        values.append(float(LOOP[function](known)) if known else 0.0 if same and function == "count" else np.nan)
    return values


@pytest.mark.parametrize("by_time", [True, False])
def test_against_a_slow_loop(tmp_path: Path, by_time: bool) -> None:
    path = tmp_path / "shops.csv"
    frame().to_csv(path, index=False)
    folders = {"path": str(path), "raw_dir": str(tmp_path / "raw"), "processed_dir": str(tmp_path / "processed")}
    table = prepare(config(time="when" if by_time else None, **folders))
    for name, aggregate in AGGREGATES.items():
        want = slow(frame(), aggregate["of"], aggregate["function"], by_time=by_time)
        assert np.nanstd(want) > 0
        np.testing.assert_allclose(table.columns[name][:, 0], want, rtol=1e-9, err_msg=name)


def test_a_lookup_sees_nothing_of_its_own_time_or_later() -> None:
    entity, time = np.array(["a", "a", "b", "a"], object), np.array([30.0, 10.0, 20.0, 20.0])
    table = feature_tables.FeatureTable(entity, time, {"v": np.array([3.0, 1.0, 9.0, 2.0])})
    asked = [("a", 10.0), ("a", 10.5), ("a", 20.0), ("a", 1e12), ("b", 15.0), ("b", 21.0), ("c", 50.0), ("", 50.0)]
    asked += [("a", np.nan), ("A", 50.0)]
    got = table.lookup(np.array([e for e, _ in asked], object), np.array([t for _, t in asked]))["v"]
    np.testing.assert_array_equal(got[:, 0], [np.nan, 1, 1, 3, np.nan, 9, np.nan, np.nan, np.nan, np.nan])


def test_a_static_lookup() -> None:
    table = feature_tables.FeatureTable(np.array(["b", "a\0", "a"], object), None, {"v": np.array([2.0, 0.0, 1.0])})
    got = table.lookup(np.array(["a", "c", "b", "", "a\0"], object), None)["v"]
    np.testing.assert_array_equal(got[:, 0], [1.0, np.nan, 2.0, np.nan, 0.0])
    empty = feature_tables.FeatureTable(np.array([], object), None, {"v": np.array([])})
    np.testing.assert_array_equal(empty.lookup(np.array(["a"], object), None)["v"], [[np.nan]])


def test_the_key_of_a_row() -> None:
    columns = {
        "lon": np.array([[-0.1], [0.0], [0.3], [np.nan]]),
        "shop": np.array([["a"], ["c|d"], [""], ["a"]], object),
        "number": np.array([[5.0], [0.5], [1.0], [2.0]]),
    }
    parts = [Entity(column="lon", grid=0.25), Entity(column="shop"), Entity(column="number")]
    assert feature_tables.entity_of(columns, parts).tolist() == ["-1|a|5", r"0|c\|d|0.5", "", ""]
    assert feature_tables.entity_of(columns, parts[1:2]).tolist() == ["a", "c|d", "", "a"]
    twisted = {"p": np.array([["a|b"], ["a"]], object), "q": np.array([["c"], ["b|c"]], object)}
    assert len(set(feature_tables.entity_of(twisted, [Entity(column="p"), Entity(column="q")]))) == 2


def test_the_input_is_completed(tmp_path: Path) -> None:
    source = Source(table="shops", entity=(Entity(column="shop"),), time="when")
    columns = (
        Column(name="shop", kind="category"),
        Column(name="when", kind="time"),
        Column(name="mean_sales", kind="number", source=source),
    )
    contract = Contract(name="m", columns=columns, targets=(Target(name="y", kind="regression", deviation=1.0),))
    history = feature_tables.FeatureTable(np.array(["a"], object), np.array([0.0]), {"mean_sales": np.array([7.5])})
    folder = tmp_path / "feature_tables"
    folder.mkdir()
    write_feature_table(history, folder / "shops.parquet")
    given = {"shop": ["a", "a", "new"], "when": ["1970-01-02", 0, None]}
    joined = feature_tables.add_missing_columns(given, contract, feature_tables.reader(folder))
    np.testing.assert_array_equal(np.ravel(joined["mean_sales"]), [7.5, np.nan, np.nan])
    supplied = {**given, "mean_sales": [1, 2, 3]}
    kept = feature_tables.add_missing_columns(supplied, contract, feature_tables.reader(folder))
    assert kept["mean_sales"] == [1, 2, 3]
    with pytest.raises(InputError) as error:
        feature_tables.add_missing_columns({"shop": ["a"]}, contract, feature_tables.reader(folder))
    assert str(error.value) == "missing column: 'when', by which the feature table 'shops' is looked up"


@pytest.mark.parametrize(
    ("aggregates", "time", "message"),
    [
        ({"v": {"of": "y"}}, None, "the target of all rows would leak into each; set a time"),
        ({"v": {"of": "colour"}}, "when", "'colour' is text, of which only a count can be taken"),
    ],
)
def test_refused(aggregates: dict[str, Any], time: str | None, message: str) -> None:
    how = config(aggregates, time)
    with pytest.raises(UserError) as error:
        compute("shops", how.feature_tables["shops"], table_of(frame(), how).columns, how)
    assert str(error.value) == f"data.feature_tables.shops.columns.v: {message}"


def test_the_targets_past_is_allowed() -> None:
    how = config({"past_y": {"of": "y"}})
    table = table_of(frame(), how)
    made = compute("shops", how.feature_tables["shops"], table.columns, how)
    shop = feature_tables.entity_of(table.columns, [Entity(column="shop")])
    got = made.lookup(shop, table.columns["when"][:, 0])["past_y"]
    np.testing.assert_allclose(got[:, 0], slow(frame(), "y", "mean", by_time=True), rtol=1e-9, atol=1e-12)
