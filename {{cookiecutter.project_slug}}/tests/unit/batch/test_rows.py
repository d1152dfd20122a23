"""Every row is scored or rejected with its reason, wherever parts end and whatever type its cells have."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from {{ cookiecutter.project_slug }}.inference.batch import score
from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.inference.feature_tables import ENTITY
from {{ cookiecutter.project_slug }}.inference.tables import read_batches
from {{ cookiecutter.project_slug }}.inference.unusual import describe
from {{ cookiecutter.project_slug }}.ports import UserError

from tests.batches import CELLS, cells, names, read, typed, want, write
from tests.servables import CITY, COLUMNS, expected, write_servable

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
