"""A run that was stopped goes on and ends as one that was not; what is another run starts anew."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from {{ cookiecutter.project_slug }}.inference.batch import score
from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.inference.feature_tables import ENTITY

from tests.batches import cells, names, read, want, write
from tests.servables import write_servable


class Stopped(BaseException):
    """As a Ctrl-C at a known row."""


def stopped_after(engine, source: Path, target: Path, count: int, **options: object) -> None:
    seen = 0

    def on_rows(rows: int) -> None:
        nonlocal seen
        seen += rows
        if seen >= count:
            raise Stopped

    with pytest.raises(Stopped):
        score(engine, source, target, on_rows=on_rows, **options)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_run_that_was_stopped_goes_on_and_ends_as_one_that_was_not(narrow, tmp_path, suffix, monkeypatch):
    rows = cells(100)
    rows[12] |= {"age": "?"}
    rows[77] |= {"age": "?"}
    source = write(rows, tmp_path / f"in{suffix}", **({} if suffix == ".csv" else {"row_group_size": 9}))
    score(narrow, source, tmp_path / f"straight{suffix}", rows=10, part_rows=25)
    target = tmp_path / f"out{suffix}"
    stopped_after(narrow, source, target, 70, rows=10, part_rows=25)
    assert (tmp_path / f".{target.name}.parts/000001.scored.arrow").is_file()
    assert not target.exists()
    steps = []
    done = score(narrow, source, target, rows=10, part_rows=25, on_rows=steps.append)
    assert steps == [50, 10, 10, 5, 10, 10, 5]  # 50 at once: they are finished
    assert (done.rows, done.rejected) == (100, 2)
    assert done.first_reason == "column 'age' must be a finite number, row 12 holds '?'"
    for name in ("", ".rejects"):
        again, once = tmp_path / f"out{name}{suffix}", tmp_path / f"straight{name}{suffix}"
        assert again.read_bytes() == once.read_bytes()
    assert len(names(tmp_path)) == 5


def test_another_input_starts_anew(narrow, tmp_path):
    source = write(cells(100), tmp_path / "in.csv")
    stopped_after(narrow, source, tmp_path / "out.csv", 90, rows=10)
    write([row | {"age": "50"} for row in cells(100)], source)
    steps = []
    score(narrow, source, tmp_path / "out.csv", rows=10, on_rows=steps.append)
    assert steps[:2] == [0, 10]
    assert {row["price_prediction"] for row in read(tmp_path / "out.csv")} == {float(want(cells(1))[0] + 15)}


def test_a_servable_in_another_folder_is_the_same(narrow, tmp_path):
    """A version of the registry is downloaded anew for each run, with its feature tables."""
    folder = Path(shutil.copytree(narrow.folder, tmp_path / "one"))
    (folder / "feature_tables").mkdir()
    income = {ENTITY: [str(cell) for cell in range(10)], "income": [4.5] * 10}
    pyarrow.parquet.write_table(pa.table(income), folder / "feature_tables/cells.parquet")
    rows = [{name: cell for name, cell in row.items() if name != "income"} for row in cells(100)]
    source = write(rows, tmp_path / "in.csv")
    stopped_after(Engine(folder), source, tmp_path / "out.csv", 90, rows=10)
    again, steps = Engine(folder.rename(tmp_path / "two")), []
    score(again, source, tmp_path / "out.csv", rows=10, on_rows=steps.append)
    assert steps == [80, 10, 10]
    np.testing.assert_allclose(
        [row["price_prediction"] for row in read(tmp_path / "out.csv")], want(cells(100)), rtol=1e-5
    )


def test_newer_feature_tables_start_anew(narrow, tmp_path):
    rows = [{name: cell for name, cell in row.items() if name != "income"} for row in cells(100)]
    source, tables = write(rows, tmp_path / "in.csv"), tmp_path / "tables"
    tables.mkdir()
    for income in (1.0, 4.5):
        table = {ENTITY: [str(cell) for cell in range(10)], "income": [income] * 10}
        pyarrow.parquet.write_table(pa.table(table), tables / "cells.parquet")
        stopped_after(narrow, source, tmp_path / "out.csv", 90, rows=10, feature_tables=tables)
    score(narrow, source, tmp_path / "out.csv", rows=10, feature_tables=tables)
    np.testing.assert_allclose(
        [row["price_prediction"] for row in read(tmp_path / "out.csv")], want(cells(100)), rtol=1e-5
    )


def test_another_model_starts_anew(narrow, tmp_path):
    source = write(cells(100), tmp_path / "in.csv")
    stopped_after(narrow, source, tmp_path / "out.csv", 90, rows=10)
    other = Engine(write_servable(tmp_path / "other", bias=1000.0, wide=False))
    score(other, source, tmp_path / "out.csv", rows=10)
    got = [row["price_prediction"] for row in read(tmp_path / "out.csv")]
    np.testing.assert_allclose(got, want(cells(100)) + 1000, rtol=1e-5)
