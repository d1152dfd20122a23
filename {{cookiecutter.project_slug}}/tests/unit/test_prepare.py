"""Rows without a target, keys that repeat, and times that say when a row happened."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
from loguru import logger

from {{ cookiecutter.project_slug }}.data.prepare import prepare
from {{ cookiecutter.project_slug }}.data.splits import HELDOUT, assign
from {{ cookiecutter.project_slug }}.data.table import features_of
from {{ cookiecutter.project_slug }}.inference.feature_tables import add_missing_columns, reader
from {{ cookiecutter.project_slug }}.inference.wire import InputError
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.contract import Column, Contract, Source, Target
from {{ cookiecutter.project_slug }}.schemas.data import DataConfig

from tests.configs import data_config

COLUMNS = {
    "id": {"kind": "category", "role": "key"},
    "x": {"kind": "number", "max": 100},
    "c": {"kind": "category"},
    "y": {"kind": "number"},
}
TABLE = "id,x,c,y\n1,1,a,0.5\n2,2,b,\n3,3,a,NA\n4,4,b,0.25\n"


@pytest.fixture
def said():
    """The lines of the log."""
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="INFO")
    yield lines
    logger.remove(sink)


@pytest.fixture
def configure(tmp_path) -> Callable[..., DataConfig]:
    """A configuration for a CSV text, which is written to own.csv."""

    def make(text: str, **others) -> DataConfig:
        path = tmp_path / "own.csv"
        path.write_text(text)
        folders = {"path": str(path), "raw_dir": str(tmp_path / "raw"), "processed_dir": str(tmp_path / "processed")}
        return data_config(others.pop("columns", COLUMNS), "y", **folders, **others)

    return make


def test_rows_without_a_target_are_left_out_and_counted(configure, said):
    table = prepare(configure(TABLE, drop_missing_target=True))
    assert table.columns["id"][:, 0].tolist() == ["1", "4"]
    assert table.columns["y"][:, 0].tolist() == [0.5, 0.25]
    assert "2 of 4 rows have no 'y' and are left out" in said


def test_rows_without_a_class_are_left_out(configure):
    columns = {**COLUMNS, "y": {"kind": "category"}}
    config = configure(TABLE, drop_missing_target=True, columns=columns, task="classification")
    assert prepare(config).columns["y"][:, 0].tolist() == ["0.5", "0.25"]


def test_rows_without_a_target_are_refused_where_nobody_says_otherwise(configure):
    with pytest.raises(UserError, match=r"own\.csv: column 'y' may not be missing: rows 1, 2$"):
        prepare(configure(TABLE))


def test_a_table_without_any_target_is_refused(configure, tmp_path):
    with pytest.raises(UserError, match=r"own\.csv: no row has a value of the target 'y'$"):
        prepare(configure("id,x,c,y\n1,1,a,\n2,2,b,\n", drop_missing_target=True))
    assert list((tmp_path / "processed").iterdir()) == []


def test_a_bad_cell_is_named_by_its_row_in_the_file(configure):
    with pytest.raises(UserError, match=r"column 'x' must satisfy less_than_or_equal_to\(100\.0\): row 3 "):
        prepare(configure(TABLE.replace("4,4,b", "4,400,b"), drop_missing_target=True))


@pytest.mark.parametrize(
    ("split", "columns", "expected"),
    [
        ({}, {}, "2 of 5 rows repeat the key 'id' of another"),
        ({}, {"c": {"kind": "category", "role": "key"}}, "1 of 5 rows repeat the key 'id' and 'c' of another"),
        ({"by": ["id"]}, {}, None),
    ],
)
def test_keys_that_repeat_are_warned_of(configure, said, split, columns, expected):
    text = "id,x,c,y\n1,1,a,1\n1,2,a,2\n1,3,b,3\n2,4,b,4\n3,5,a,5\n"
    prepare(configure(text, split={"method": "hash"} | split, columns=COLUMNS | columns))
    repeated = [line for line in said if "repeat the key" in line]
    assert [line.partition(":")[0] for line in repeated] == ([expected] if expected else [])


TIMED = {
    "shop": {"kind": "category"},
    "at": {"kind": "time", "role": "time"},
    "sales": {"kind": "number"},
    "y": {"kind": "number"},
}
SALES = "shop,at,sales,y\n" + "".join(f"s{n % 2},2024-01-{n + 1:02d},{n},{n}\n" for n in range(20))
AS_OF = {"shops": {"entity": [{"column": "shop"}], "time": "at", "columns": {"before": {"of": "sales"}}}}


def test_a_time_is_no_input_and_decides_the_split(configure):
    split = {"method": "time", "column": "at", "validation_from": "2024-01-11", "heldout_from": "2024-01-16"}
    config = configure(SALES, columns=TIMED, split=split)
    assert features_of(config) == ["shop", "sales"]
    table = prepare(config)
    assert table.columns["y"][assign(table, config) == HELDOUT, 0].tolist() == [15, 16, 17, 18, 19]


def test_feature_tables_go_by_a_time_that_is_no_input(configure):
    config = configure(SALES, columns=TIMED, feature_tables=AS_OF)
    table = prepare(config)
    means = [np.mean(range(n % 2, n, 2)) if n > 1 else np.nan for n in range(20)]
    np.testing.assert_allclose(table.columns["before"][:, 0], means)

    source = Source(table="shops", entity=AS_OF["shops"]["entity"], time="at")
    columns = (
        Column(name="shop", kind="category"), Column(name="sales", kind="number"),
        Column(name="before", kind="number", source=source),
    )  # fmt: skip
    contract = Contract(name="m", columns=columns, targets=(Target(name="y", kind="regression", deviation=1.0),))
    later = pd.DataFrame({"shop": ["s1", "s0"], "at": ["2024-01-05", "2025-01-01"], "sales": [0.0, 0.0]})
    joined = add_missing_columns(dict(later), contract, reader(table.folder / "feature_tables"))
    assert joined["before"][:, 0].tolist() == [2.0, 9.0]
    with pytest.raises(InputError, match=r"^missing column: 'at', by which the feature table 'shops' is looked up$"):
        add_missing_columns(dict(later.drop(columns="at")), contract, reader(table.folder / "feature_tables"))


@pytest.mark.parametrize(
    ("columns", "feature_tables", "message"),
    [
        ({"at": {"kind": "category", "role": "time"}}, {}, "columns.at has the role time and must be of kind time, it is category"),
        ({"at": {"kind": "time", "role": "ignored"}}, AS_OF, "feature_tables.shops is looked up as of 'at': give it the role time"),
        ({"at": {"kind": "time", "role": "key"}}, AS_OF, "feature_tables.shops is looked up as of 'at': give it the role time"),
        ({"shop": {"kind": "time", "role": "time"}}, AS_OF, "feature_tables.shops is looked up by 'shop': make it a feature or a key"),
    ],
)  # fmt: skip
def test_times_that_do_not_fit(columns, feature_tables, message):
    with pytest.raises(ValueError, match=message):
        data_config(TIMED | columns, "y", feature_tables=feature_tables)


def test_the_prepared_table_keeps_the_time(configure):
    table = prepare(configure(SALES, columns=TIMED))
    stored = pyarrow.parquet.read_table(table.folder / "table.parquet")
    assert stored["at"].to_pylist()[:2] == [1704067200.0, 1704153600.0]
