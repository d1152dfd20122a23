"""Uploaded tables: scored through the API as batch scoring does it, whatever the service's limits and moods."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from pydantic import SecretStr

from {{ cookiecutter.project_slug }}.inference.batch import score as score_in_batch
from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.ports import UserError, Version

from deployment.api import rules
from deployment.dashboards import comparison, tables
from deployment.dashboards.client import Api, ApiError
from deployment.dashboards.tables import Scored
from tests.dashboards import HTML, service
from tests.servables import CITY, ROWS, write_servable

FLAT = [{name: cell for name, cell in row.items() if name != "history"} for row in ROWS]
BAD = [
    FLAT[0] | {"age": "old", "id": "b-1"},
    FLAT[1] | {"age": None, "rooms per house": 1.5, "id": HTML},
    FLAT[2] | {"income": "inf", "id": "☂"},
]


def write(folder: Path, rows: list[dict[str, Any]], suffix: str = ".csv") -> Path:
    """The rows as a user has them in a file: every cell as text in a CSV file."""
    path = folder / f"rows{suffix}"
    texts = {
        name: pa.array([None if row[name] is None else str(row[name]) for row in rows], pa.string()) for name in rows[0]
    }
    table = pa.table(texts)
    if suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        pyarrow.parquet.write_table(table, path)
    return path


def scored(url: str, path: Path, rows: int = 100, on_rows: Any = lambda *_: None) -> Scored:
    api = Api(url, SecretStr(""), 5)
    return tables.score(api, api.served(), path, path.name, rows, on_rows)


def read(data: bytes) -> list[dict[str, Any]]:
    """A CSV file with its cells as text."""
    names = data.splitlines()[0].decode().replace('""', "”").strip('"').split('","')
    options = pyarrow.csv.ConvertOptions(column_types={name.replace("”", '"'): pa.string() for name in names})
    return list(pyarrow.csv.read_csv(io.BytesIO(data), convert_options=options).to_pylist())


@pytest.mark.parametrize("kind", ["regression", "classification"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_as_batch_scoring(tmp_path: Path, kind: Any, suffix: str) -> None:
    rows = [*FLAT, *BAD, *(FLAT * 30)]
    folder, path = write_servable(tmp_path / "a", kind, wide=False), write(tmp_path, rows, suffix)
    told: list[tuple[int, int]] = []
    with service(folder) as running:
        got = scored(running.url, path, 40, lambda done, total: told.append((done, total)))
    output = tmp_path / f"scored{suffix}"
    counts = score_in_batch(Engine(folder), path, output, 1000)
    assert (got.table.num_rows, counts.scored, counts.rejected) == (155, 155, 3)
    assert told == [(40, 155), (80, 155), (120, 155), (155, 155)]
    reader = read if suffix == ".csv" else lambda data: pyarrow.parquet.read_table(io.BytesIO(data)).to_pylist()
    want = reader(output.read_bytes())
    mine = reader(got.file)
    assert [{name: row[name] for name in want[0]} for row in mine] == want
    original = reader(path.read_bytes())
    assert [{name: row[name] for name in rows[0]} for row in mine] == [original[row] for row in got.kept]
    assert list(mine[0]) == [*rows[0], *list(want[0])[1:]]
    assert got.rejects is not None
    rejects = output.with_name(f"scored.rejects{suffix}").read_bytes()
    assert got.rejects_file == rejects
    assert reader(rejects)[1]["id"] == HTML
    assert got.warnings == [
        "column 'age': 62 values lie outside 18 to 90, the range of training",
        "column 'seen at': 62 values lie outside 1.5e+09 to 1.7e+09, the range of training",
        "column 'größe \"lage\"': 31 values are levels that training never saw",
    ]


def test_every_wide_cell(tmp_path: Path) -> None:
    """A Parquet file may hold lists."""
    path = tmp_path / "rows.parquet"
    columns = {n: pa.array([None if r[n] is None else str(r[n]) for r in ROWS]) for n in ROWS[0] if n != "history"}
    pyarrow.parquet.write_table(pa.table(columns | {"history": pa.array([row["history"] for row in ROWS])}), path)
    folder = write_servable(tmp_path / "a")
    with service(folder) as running:
        got = scored(running.url, path)
    want = Engine(folder).run({name: [row[name] for row in ROWS] for name in ROWS[0]})["price_prediction"][:, 0]
    np.testing.assert_array_equal(got.table["price_prediction"].to_numpy(), want)
    assert got.table["price_prediction"].type == pa.float32()


def test_limits_of_the_service(tmp_path: Path) -> None:
    """It takes three rows at a time, and 700 bytes."""
    folder, path = write_servable(tmp_path / "a", wide=False), write(tmp_path, FLAT * 4)
    with service(folder) as running:
        want = scored(running.url, path).table
    with service(folder, max_rows=3, max_body_bytes=700) as running:
        told: list[int] = []
        got = scored(running.url, path, 16, lambda done, _: told.append(done))
        assert got.table.equals(want)
        assert told[0] == 16  # after the first slice the service's limit is known
        assert max(np.diff(told)) <= 3
    with service(folder, max_body_bytes=10) as running:
        nothing = scored(running.url, write(tmp_path, FLAT[:2]))
    assert nothing.table.num_rows == 0
    assert nothing.rejects is not None
    assert nothing.rejects["reason"].to_pylist() == ["the body has more than 10 bytes: send fewer rows at a time"] * 2


def test_rows_that_only_the_service_refuses(tmp_path: Path) -> None:
    """A prediction that is not finite."""
    rows = [*FLAT, FLAT[0] | {"income": 1e300}, *FLAT, FLAT[1] | {"income": -1e300}]
    with service(write_servable(tmp_path / "a", wide=False)) as running:
        got = scored(running.url, write(tmp_path, rows))
    assert got.kept.tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert got.rejects is not None
    assert got.rejects["row"].to_pylist() == [5, 11]
    assert got.rejects["reason"].to_pylist() == [
        f"row {row} has no finite price_prediction: look for an input far from what training saw" for row in (5, 11)
    ]


def test_no_row_fits(tmp_path: Path) -> None:
    with service(write_servable(tmp_path / "a", wide=False)) as running:
        got = scored(running.url, write(tmp_path, BAD))
    assert got.table.num_rows == 0
    assert got.rejects is not None
    assert got.rejects["row"].to_pylist() == [0, 1, 2]
    assert got.rejects["reason"][0].as_py() == "column 'age' must be a finite number, row 0 holds 'old'"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.xlsx", b"PK", "rows.xlsx is neither .csv nor .parquet"),
        ("rows.csv", b"", "rows.csv"),
        ("rows.csv", b"age\n", "rows.csv has no rows"),
        ("rows.csv", b"age,age\n1,2\n", "rows.csv has two columns named 'age': rename one"),
        ("rows.csv", b"age\n1\n", "rows.csv: missing columns: 'rooms per house', 'is.new', "),
        ("rows.csv", "age\nä\n".encode("latin-1"), "cannot read rows.csv"),
        ("rows.parquet", b"PAR1", "cannot read rows.parquet"),
    ],
)
def test_tables_that_do_not_fit(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with service(write_servable(tmp_path / "a", wide=False)) as running, pytest.raises(UserError) as caught:
        scored(running.url, tmp_path / name)
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_swap_meanwhile(tmp_path: Path) -> None:
    folder = write_servable(tmp_path / "a", wide=False)
    path = write(tmp_path, FLAT * 4)
    with service(folder) as running:

        def swap(done: int, _: int) -> None:
            if done == 8:
                running.swap(folder, Version("house", "2", "run", ("prod",), {}))

        with pytest.raises(ApiError, match="the model changed from house, from a directory to prod, version 2 while"):
            scored(running.url, path, 8, swap)
        assert scored(running.url, path).model == {"name": "house", "version": "2", "alias": "prod"}


def test_columns_that_are_there_already_and_fields_of_the_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def add(columns: Any, predictions: Any) -> Any:
        pairs = zip(columns["id"], predictions["price_prediction"], strict=True)
        return {"whose": [f"{key}:{value > 0}" for key, value in pairs]}

    monkeypatch.setattr(rules, "FIELDS", {"whose": {"type": "string"}})
    monkeypatch.setattr(rules, "add", add)
    rows = [row | {"price_prediction": "mine", "more": HTML} for row in FLAT]
    with service(write_servable(tmp_path / "a", wide=False)) as running:
        got = scored(running.url, write(tmp_path, rows)).table
    assert got.column_names == [*rows[0], "price_prediction_", "whose"]
    assert got["price_prediction"].to_pylist() == ["mine"] * len(rows)
    values = got["price_prediction_"].to_pylist()
    assert got["whose"].to_pylist() == [f"{row['id']}:{value > 0}" for row, value in zip(rows, values, strict=True)]


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_fields_of_the_rules_that_are_null_or_of_several_types(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """A slice alone may hold nulls only, or whole numbers only."""
    values = {"note": [None, None, "x", None, None], "limit": [1, None, 2.5, 3, 4], "any": [1, "a", None, True, [2]]}

    def add(columns: Any, _: Any) -> Any:
        at = [int(str(key).removeprefix("a-")) - 1 if key else 0 for key in columns["id"]]
        return {name: [cells[position] for position in at] for name, cells in values.items()}

    monkeypatch.setattr(rules, "FIELDS", {name: {} for name in values})
    monkeypatch.setattr(rules, "add", add)
    with service(write_servable(tmp_path / "a", wide=False)) as running:
        got = scored(running.url, write(tmp_path, FLAT), rows)
    assert got.table["note"].to_pylist() == values["note"]
    assert got.table["limit"].to_pylist() == values["limit"]
    assert got.table["any"].to_pylist() == ["1", '"a"', "null", "true", "[2]"]
    assert [row["note"] for row in read(got.file)] == ["", "", "x", "", ""]


def test_a_key_that_is_called_as_the_numbers_of_the_rows(tmp_path: Path) -> None:
    folder = write_servable(tmp_path / "a", wide=False)
    contract = json.loads((folder / "contract.json").read_text(encoding="utf-8"))
    contract["columns"][-1]["name"] = "row"
    (folder / "contract.json").write_text(json.dumps(contract), encoding="utf-8")
    path = write(tmp_path, [{"row": row["id"], **row} for row in FLAT])
    with service(folder) as running:
        got = scored(running.url, path)
    compared = comparison.of_tables(got, got, Engine(folder).contract).rows
    assert compared["row"].to_pylist() == [0, 1, 2, 3, 4]
    assert compared["row_"].to_pylist() == [row["id"] for row in FLAT]


def test_cells_go_as_json_has_them(tmp_path: Path) -> None:
    contract = Engine(write_servable(tmp_path / "a")).contract
    feeds = Engine(tmp_path / "a").encode({name: [row[name] for row in ROWS] for name in ROWS[0]})
    sent = {column.name: tables.as_json(column, feeds[column.name]) for column in contract.inputs}
    assert json.loads(json.dumps(sent, allow_nan=False)) == sent
    assert sent["is.new"] == [True, False, None, True, False]
    assert sent["rooms per house"] == [3, 5, None, 12, 1]
    assert sent[CITY] == ["süd", "5", None, "true", "☂ unseen"]
    assert sent["history"][1:3] == [[0.0, None, -1.0], [None, None, None]]
