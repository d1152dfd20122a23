"""A table's rows in batches, from any row on, however long the file is."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from {{ cookiecutter.project_slug }}.inference.tables import read_batches, row_count

from tests.batches import write


def test_rows_from_a_start_on(tmp_path):
    rows = [{"x": number} for number in range(100)]
    path = write(rows, tmp_path / "in.parquet", row_group_size=30)
    for start in (0, 1, 29, 30, 31, 60, 99, 100, 1000):
        got = [row for part in read_batches(path, 7, start) for row in part["x"].to_pylist()]
        assert got == list(range(start, 100))
    path = write(rows, tmp_path / "in.csv")
    assert [row for part in read_batches(path, 7, 50) for row in part["x"].to_pylist()] == [
        str(n) for n in range(50, 100)
    ]
    assert row_count(tmp_path / "in.parquet") == 100
    assert row_count(path) is None
    assert row_count(tmp_path / "absent.parquet") is None
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 is not enough")
    assert row_count(tmp_path / "broken.parquet") is None


def test_reading_a_long_file_holds_on_to_nothing(tmp_path):
    path = tmp_path / "in.parquet"
    table = pa.table({"x": np.random.default_rng(0).random(100_000)})
    with pyarrow.parquet.ParquetWriter(path, table.schema) as writer:
        for _ in range(30):
            writer.write_table(table)
    before, held, rows = pa.total_allocated_bytes(), 0, 0
    for part in read_batches(path, 10_000):
        rows += part.num_rows
        held = max(held, pa.total_allocated_bytes() - before)
    assert rows == 3_000_000
    assert held < 8_000_000


def test_an_empty_line_is_a_row_of_a_table_with_one_column(tmp_path):
    (tmp_path / "one.csv").write_text("a\n1\n\n3\n")
    assert [row for part in read_batches(tmp_path / "one.csv", 2) for row in part["a"].to_pylist()] == ["1", "", "3"]
    (tmp_path / "two.csv").write_text("a,b\n1,2\n\n3,4\n")
    assert [row for part in read_batches(tmp_path / "two.csv", 2) for row in part["a"].to_pylist()] == ["1", "3"]
