"""Batch scoring: every row is scored or rejected with its reason, wherever parts end, and nothing is half-written."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from {{ cookiecutter.project_slug }}.inference.batch import score
from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.inference.feature_tables import ENTITY
from {{ cookiecutter.project_slug }}.inference.parts import Parts
from {{ cookiecutter.project_slug }}.inference.tables import read_batches, row_count
from {{ cookiecutter.project_slug }}.inference.unusual import describe
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.utils.files import WriteError

from tests.servables import CITY, COLUMNS, ROWS, expected, write_servable

HISTORY = [1.5, 2.5, 3.5]
CELLS = {
    "age": "40", "rooms per house": "3", "is.new": "true", "seen at": "2020-09-13", CITY: "süd", "income": "4.5",
}  # fmt: skip
"""A row as a CSV file holds it."""
BAD = [
    ("age", "ten", "column 'age' must be a finite number, row {row} holds 'ten'"),
    ("age", "inf", "column 'age' must be a finite number, row {row} holds 'inf'"),
    ("age", "", "column 'age' may not be missing, row {row}"),
    ("age", "NA", "column 'age' may not be missing, row {row}"),
    ("age", "1e300", "row {row} has no finite price_prediction: look for an input far from what training saw"),
    ("rooms per house", "2.5", "column 'rooms per house' must be an integer, row {row} holds '2.5'"),
    ("is.new", "maybe", "column 'is.new' must be true or false, row {row} holds 'maybe'"),
    ("seen at", "2001-02-29", "column 'seen at' must be an ISO 8601 time or seconds since 1970 (UTC), row {row} holds '2001-02-29'"),
]  # fmt: skip


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine(write_servable(tmp_path_factory.mktemp("batch") / "servable"))


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A servable whose column of width 3, which no CSV file can hold, comes from a feature table of width 1."""
    return Engine(write_servable(tmp_path_factory.mktemp("narrow") / "servable", wide=False))


def cells(count: int) -> list[dict[str, str]]:
    return [CELLS | {"age": str(20 + row % 60), "id": f"r{row}"} for row in range(count)]


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


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("position", [0, 9, 10, 23, 24, 49])
def test_each_misfit_is_rejected_with_its_row(narrow, tmp_path, suffix, position):
    rows = cells(50)
    for shift, (column, value, _) in enumerate(BAD):
        rows[(position + shift * 3) % 50] |= {column: value}
    source = write(rows, tmp_path / f"in{suffix}", **({} if suffix == ".csv" else {"row_group_size": 7}))
    target = tmp_path / f"out{suffix}"
    done = score(narrow, source, target, rows=10, part_rows=24)
    assert (done.rows, done.rejected, done.scored) == (50, 8, 42)
    refused = {(position + shift * 3) % 50: text for shift, (_, _, text) in enumerate(BAD)}
    got = read(tmp_path / f"out.rejects{suffix}")
    assert [row["row"] for row in got] == sorted(refused)
    assert [row["reason"] for row in got] == [refused[row].format(row=row) for row in sorted(refused)]
    assert [str(row["id"]) for row in got] == [f"r{row}" for row in sorted(refused)]
    assert done.first_reason == got[0]["reason"]
    scored = read(target)
    good = [row for number, row in enumerate(rows) if number not in refused]
    assert [row["id"] for row in scored] == [row["id"] for row in good]
    np.testing.assert_allclose([row["price_prediction"] for row in scored], want(good), rtol=1e-5)
    assert names(tmp_path) == sorted([f"in{suffix}", f"out.rejects{suffix}", f"out{suffix}"])


def test_the_original_cells_are_kept_as_they_were(narrow, tmp_path):
    rows = cells(3)
    rows[1] |= {"age": ' ten,\n"x"', "note": "ü"}
    source = write([row | {"note": row.get("note", "")} for row in rows], tmp_path / "in.csv")
    score(narrow, source, tmp_path / "out.csv", rows=10)
    (part,) = read_batches(tmp_path / "out.rejects.csv", 10)
    (got,) = part.to_pylist()
    assert got == rows[1] | {
        "row": "1",
        "reason": r"""column 'age' must be a finite number, row 1 holds ' ten,\n"x"'""",
    }
    assert list(got) == ["row", "reason", *rows[1]]


def typed(count: int) -> list[dict[str, object]]:
    """Rows as Parquet holds them, with types and a column of width 3."""
    return [ROWS[0] | {"age": float(20 + row % 60), "id": row, CITY: "nord"} for row in range(count)]


def test_typed_columns_are_rejected_alike(engine, tmp_path):
    rows = typed(30)
    rows[3] |= {"age": float("inf")}
    rows[4] |= {"age": None, "history": [1.0, 2.0]}
    rows[11] |= {"history": [1.0, float("-inf"), 3.0]}
    rows[12] |= {"history": None, "income": None}
    rows[29] |= {"age": 1e300, "rooms per house": None}
    source = write(rows, tmp_path / "in.parquet")
    done = score(engine, source, tmp_path / "out.parquet", rows=10)
    got = read(tmp_path / "out.rejects.parquet")
    assert [(row["row"], row["reason"]) for row in got] == [
        (3, "column 'age' must be a finite number, row 3 holds inf"),
        (4, "column 'age' may not be missing, row 4; column 'history' needs 3 values in each row, row 4 holds array([1., 2.])"),
        (11, "column 'history' must be a finite number, row 11 holds -inf"),
        (12, "column 'history' needs 3 values in each row, row 12 holds None"),
        (29, "row 29 has no finite price_prediction: look for an input far from what training saw"),
    ]  # fmt: skip
    assert [row["history"] for row in got] == [rows[row["row"]]["history"] for row in got]
    assert done.rejected == 5
    assert [row["id"] for row in read(tmp_path / "out.parquet")] == [
        str(r["id"]) for r in rows if r["id"] not in (3, 4, 11, 12, 29)
    ]


def test_lists_become_text_in_a_csv_of_rejects(engine, tmp_path):
    rows = typed(2)
    rows[1] |= {"history": [1.0, None]}
    score(engine, write(rows, tmp_path / "in.parquet"), tmp_path / "out.csv", rows=10)
    (got,) = read(tmp_path / "out.rejects.csv")
    assert json.loads(got["history"]) == [1.0, None]


@pytest.mark.parametrize("kind", ["dictionary", "large", "plain"])
def test_a_category_of_any_arrow_type(engine, tmp_path, kind):
    rows = typed(25)
    for number, row in enumerate(rows):
        row[CITY] = ("nord", "süd", None, "True", "5.0", "☂")[number % 6]
    table = pa.Table.from_pylist(rows)
    types = {"dictionary": pa.dictionary(pa.int32(), pa.string()), "large": pa.large_string(), "plain": pa.string()}
    position = table.column_names.index(CITY)
    table = table.set_column(position, CITY, table[CITY].cast(types[kind]))
    rows[24]["age"] = None
    table = table.set_column(0, "age", pa.array([row["age"] for row in rows]))
    pyarrow.parquet.write_table(table, tmp_path / "in.parquet", row_group_size=8)
    score(engine, tmp_path / "in.parquet", tmp_path / "out.parquet", rows=5)
    plain = [row | {CITY: {"True": "true", "5.0": "5"}.get(row[CITY], row[CITY])} for row in rows[:24]]
    got = [row["price_prediction"] for row in read(tmp_path / "out.parquet")]
    np.testing.assert_allclose(got, expected(plain)["price_prediction"][:, 0], rtol=1e-5)
    assert [row[CITY] for row in read(tmp_path / "out.rejects.parquet")] == [rows[24][CITY]]


def test_a_key_that_is_no_text_is_a_reason(engine, tmp_path):
    rows = typed(3)
    table = pa.Table.from_pylist([{**row, "id": [row["id"], 1]} for row in rows])
    pyarrow.parquet.write_table(table, tmp_path / "in.parquet")
    with pytest.raises(
        UserError, match=r"every row breaks .* the first: column 'id' must be text, row 0 holds \[0, 1\]$"
    ):
        score(engine, tmp_path / "in.parquet", tmp_path / "out.parquet", rows=10)


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


def test_values_that_training_never_saw_are_counted(engine, tmp_path):
    rows = typed(40)
    for number in (3, 17, 18):
        rows[number]["age"] = 91.0
    rows[20]["age"] = None  # rejected: neither is counted
    rows[20][CITY] = "neu"
    rows[21][CITY] = "neu"
    rows[22][CITY] = None
    rows[23]["history"] = [41.0, 42.0, 0.0]
    done = score(engine, write(rows, tmp_path / "in.parquet"), tmp_path / "out.parquet", rows=10)
    assert done.unusual == {"age": 3, "history": 2, CITY: 1}
    known = {column.name: column for column in COLUMNS}
    assert describe(known["age"], 1234) == "column 'age': 1,234 values lie outside 18 to 90, the range of training"
    assert describe(known["age"], 1) == "column 'age': 1 value lies outside 18 to 90, the range of training"
    assert describe(known[CITY], 2) == f"column {CITY!r}: 2 values are levels that training never saw"
    assert describe(known[CITY], 1) == f"column {CITY!r}: 1 value is a level that training never saw"


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


def test_a_malformed_time_that_is_no_input_is_rejected_too(tmp_path):
    folder = write_servable(tmp_path / "servable", wide=False)
    contract = json.loads((folder / "contract.json").read_text(encoding="utf-8"))
    (income,) = [column for column in contract["columns"] if column["name"] == "income"]
    income["source"]["time"] = "sold on"
    (folder / "contract.json").write_text(json.dumps(contract), encoding="utf-8")
    (tmp_path / "tables").mkdir()
    values = {ENTITY: ["4"], "event_time": [0.0], "income": [3.0]}
    pyarrow.parquet.write_table(pa.table(values), tmp_path / "tables/cells.parquet")
    rows = [{k: v for k, v in CELLS.items() if k != "income"} | {"sold on": on} for on in ("2020-01-01", "soon", "")]
    source = write(rows, tmp_path / "in.csv")
    counts = score(Engine(folder), source, tmp_path / "out.csv", rows=2, feature_tables=tmp_path / "tables")
    assert (counts.scored, counts.rejected) == (2, 1)
    (refused,) = read(tmp_path / "out.rejects.csv")
    assert refused["row"] == 1
    assert refused["reason"].startswith("column 'sold on' must be an ISO 8601 time")


@pytest.mark.parametrize("kind", ["uuid", "bytes", "view"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_rejects_of_a_file_with_odd_columns(engine, tmp_path, kind, suffix):
    rows = typed(3)
    rows[1]["age"] = None
    table = pa.Table.from_pylist(rows)
    odd = {
        "uuid": pa.ExtensionArray.from_storage(
            pa.uuid(), pa.array([bytes([0xAA + n] * 16) for n in range(3)], pa.binary(16))
        ),
        "bytes": pa.array([b"\xff\x00", b"a", None]),
        "view": pa.array(["x", "y", "z"], pa.string_view()),
    }[kind]
    pyarrow.parquet.write_table(table.append_column("odd", odd), tmp_path / "in.parquet")
    counts = score(engine, tmp_path / "in.parquet", tmp_path / f"out{suffix}", rows=10)
    assert (counts.scored, counts.rejected) == (2, 1)
    (refused,) = read(tmp_path / f"out.rejects{suffix}")
    text = {"uuid": "ab" * 16, "bytes": "61", "view": "y"}[kind]
    want = text if suffix == ".csv" or kind == "view" else bytes.fromhex(text)
    assert str(refused["odd"]) == str(want)


def test_an_empty_line_is_a_row_of_a_table_with_one_column(tmp_path):
    (tmp_path / "one.csv").write_text("a\n1\n\n3\n")
    assert [row for part in read_batches(tmp_path / "one.csv", 2) for row in part["a"].to_pylist()] == ["1", "", "3"]
    (tmp_path / "two.csv").write_text("a,b\n1,2\n\n3,4\n")
    assert [row for part in read_batches(tmp_path / "two.csv", 2) for row in part["a"].to_pylist()] == ["1", "3"]
