"""The files of a run: inputs that do not fit as a whole, names that collide, what is replaced and what is left behind."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from {{ cookiecutter.project_slug }}.inference.batch import score
from {{ cookiecutter.project_slug }}.inference.feature_tables import ENTITY
from {{ cookiecutter.project_slug }}.inference.parts import Parts
from {{ cookiecutter.project_slug }}.inference.tables import read_batches
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.utils.files import WriteError

from tests.batches import CELLS, cells, names, read, want, write
from tests.servables import CITY


def test_rejects_may_be_named_and_of_the_other_format(narrow, tmp_path):
    source = write([*cells(2), CELLS | {"id": "x", "age": "?"}], tmp_path / "in.csv")
    score(narrow, source, tmp_path / "out.csv", rows=10, rejects=tmp_path / "deep/bad.parquet")
    assert [row["row"] for row in read(tmp_path / "deep/bad.parquet")] == [2]
    assert names(tmp_path) == ["deep", "in.csv", "out.csv"]
    assert names(tmp_path / "deep") == ["bad.parquet"]


def test_rejects_can_be_scored_again_and_rejected_again(narrow, tmp_path):
    source = write(
        [CELLS | {"id": "a"}, CELLS | {"id": "b", "age": "?"}, CELLS | {"id": "c", "age": "!"}], tmp_path / "1.csv"
    )
    score(narrow, source, tmp_path / "2.csv", rows=10)
    mended = tmp_path / "2.rejects.csv"
    mended.write_text(mended.read_text().replace('"!"', '"40"'), encoding="utf-8")
    done = score(narrow, mended, tmp_path / "3.csv", rows=10)
    assert (done.scored, done.rejected) == (1, 1)
    (part,) = read_batches(tmp_path / "3.rejects.csv", 10)
    assert part.column_names[:4] == ["row_", "reason_", "row", "reason"]
    assert part["row_"].to_pylist() == ["0"]
    assert part["row"].to_pylist() == ["1"]


def test_stale_rejects_are_removed(narrow, tmp_path):
    stale = tmp_path / "out.rejects.csv"
    stale.write_text("yesterday's")
    done = score(narrow, write(cells(3), tmp_path / "in.csv"), tmp_path / "out.csv", rows=10)
    assert done.rejected == 0
    assert names(tmp_path) == ["in.csv", "out.csv"]


def test_every_row_rejected_is_an_error_that_keeps_the_rejects(narrow, tmp_path):
    (tmp_path / "out.csv").write_text("yesterday's")
    source = write([row | {"age": "?"} for row in cells(25)], tmp_path / "in.csv")
    with pytest.raises(UserError) as caught:
        score(narrow, source, tmp_path / "out.csv", rows=10)
    reason = "column 'age' must be a finite number, row 0 holds '?'"
    assert str(caught.value) == (
        f"{source}: every row breaks the contract, see {tmp_path / 'out.rejects.csv'}; the first: {reason}; "
        f"{tmp_path / 'out.csv'} is of an earlier run"
    )
    assert [row["row"] for row in read(tmp_path / "out.rejects.csv")] == list(range(25))
    assert (tmp_path / "out.csv").read_text() == "yesterday's"
    assert names(tmp_path) == ["in.csv", "out.csv", "out.rejects.csv"]


@pytest.mark.parametrize(
    ("dropped", "message"),
    [
        (("income",), r"^there is no feature table .*cells\.parquet$"),
        (
            ("income", "age"),
            r"missing column: 'age', by which the feature table 'cells' is looked up \(wanted by my model\)$",
        ),
        (("age",), r"in\.csv: missing column: 'age' \(wanted by my model\)$"),
        ((CITY, "is.new"), r"in\.csv: missing columns: 'is\.new', 'größe \"lage\"' \(wanted by my model\)$"),
    ],
)
def test_a_file_that_does_not_fit_as_a_whole_is_one_line(narrow, tmp_path, dropped, message):
    rows = [{name: cell for name, cell in row.items() if name not in dropped} for row in cells(3)]
    with pytest.raises(UserError, match=message) as caught:
        score(narrow, write(rows, tmp_path / "in.csv"), tmp_path / "out.csv", rows=10, title="my model")
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == ["in.csv"]


def test_a_feature_table_is_joined_and_its_misfits_are_told_once(narrow, tmp_path):
    (tmp_path / "tables").mkdir()
    cells_table = pa.table({ENTITY: ["2", "3", "4"], "income": [1.0, 2.0, 3.0]})
    pyarrow.parquet.write_table(cells_table, tmp_path / "tables/cells.parquet")
    rows = [{k: v for k, v in row.items() if k != "income"} for row in cells(40)]
    rows[5]["age"] = "ten"
    source = write(rows, tmp_path / "in.csv")
    score(narrow, source, tmp_path / "out.csv", rows=7, feature_tables=tmp_path / "tables")
    (refused,) = read(tmp_path / "out.rejects.csv")
    assert refused["reason"] == "column 'age' must be a finite number, row 5 holds 'ten'"
    good = [row for number, row in enumerate(rows) if number != 5]
    incomes = [str(float(int(row["age"]) // 10 - 1)) if int(row["age"]) < 50 else "2.0" for row in good]
    joined = [row | {"income": income} for row, income in zip(good, incomes, strict=True)]
    np.testing.assert_allclose([row["price_prediction"] for row in read(tmp_path / "out.csv")], want(joined), rtol=1e-5)


@pytest.mark.parametrize(
    ("target", "rejects", "message"),
    [
        ("in.csv", None, r"^the output would replace the input, .*in\.csv: give it another name$"),
        ("sub/../in.csv", None, r"^the output would replace the input"),
        ("out.csv", "in.csv", r"^the rejects would replace the input"),
        ("out.csv", "out.csv", r"^the rejects would replace the output"),
        ("out.xlsx", None, r"^cannot write \.xlsx: name it \.csv or \.parquet$"),
        ("out.csv", "bad.txt", r"^cannot write \.txt: name it \.csv or \.parquet$"),
        ("folder.csv", None, r"folder\.csv is a directory: name a file for the output$"),
    ],
)
def test_files_that_would_replace_each_other(narrow, tmp_path, target, rejects, message):
    source = write(cells(2), tmp_path / "in.csv")
    before = source.read_bytes()
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "sub").mkdir()
    with pytest.raises(UserError, match=message):
        score(narrow, source, tmp_path / target, rows=10, rejects=tmp_path / rejects if rejects else None)
    assert source.read_bytes() == before
    assert names(tmp_path) == ["folder.csv", "in.csv", "sub"]


def test_the_rejects_of_the_same_name_as_the_input(narrow, tmp_path):
    source = write(cells(2), tmp_path / "out.rejects.csv")
    with pytest.raises(UserError, match=r"^the rejects would replace the input"):
        score(narrow, source, tmp_path / "out.csv", rows=10)
    assert names(tmp_path) == ["out.rejects.csv"]


def test_a_folder_that_cannot_be_made_is_one_line(narrow, tmp_path):
    source = write(cells(2), tmp_path / "in.csv")
    with pytest.raises(WriteError, match=r"^cannot write /dev/null/.out\.csv\.parts: Not a directory; "):
        score(narrow, source, Path("/dev/null/out.csv"), rows=10)


def test_an_input_that_changes_meanwhile_is_noticed(narrow, tmp_path):
    source = write(cells(30), tmp_path / "in.csv")

    def touch(rows: int) -> None:
        if rows:
            write(cells(31), source)

    with pytest.raises(UserError, match=r"changed while they were read: run it again$"):
        score(narrow, source, tmp_path / "out.csv", rows=10, on_rows=touch)
    assert names(tmp_path) == ["in.csv"]


def test_a_second_run_on_the_same_output_is_refused(narrow, tmp_path):
    source = write(cells(5), tmp_path / "in.csv")
    with Parts.of(tmp_path / "out.csv", {}):
        with pytest.raises(
            UserError, match=r"^another predict writes .*out\.csv: wait for it, or name another output$"
        ):
            score(narrow, source, tmp_path / "out.csv", rows=10)
        score(narrow, source, tmp_path / "other.csv", rows=10)
    assert names(tmp_path) == ["in.csv", "other.csv"]
    assert score(narrow, source, tmp_path / "out.csv", rows=10).scored == 5


def test_a_broken_file_leaves_no_parts(narrow, tmp_path):
    source = write(cells(60_000), tmp_path / "in.csv")
    with source.open("a") as file:
        file.write("one,cell,too,many,in,this,row,at,the,end\n")
    with pytest.raises(UserError, match=r"in\.csv"):
        score(narrow, source, tmp_path / "out.csv", rows=10_000)
    assert names(tmp_path) == ["in.csv"]
