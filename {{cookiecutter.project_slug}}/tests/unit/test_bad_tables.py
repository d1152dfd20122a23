"""Tables that break a promise: one line that names column, row and value, and nothing half-written."""

import pyarrow as pa
import pyarrow.parquet
import pytest

from {{ cookiecutter.project_slug }}.data.prepare import prepare
from {{ cookiecutter.project_slug }}.inference.batch import score
from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.inference.tables import read_table
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.data import DataConfig

from tests.servables import write_servable

COLUMNS = {
    "id": {"kind": "category", "role": "key"},
    "x": {"kind": "number", "min": 0, "max": 10},
    "n": {"kind": "integer", "missing": False},
    "c": {"kind": "category", "values": ("a", "b")},
    "y": {"kind": "number"},
}
GOOD = "id,x,n,c,y\n1,1.5,3,a,0.5\n2,,4,b,0.25\n"


def data(path, folder) -> DataConfig:
    return DataConfig(
        name="own", path=str(path), raw_dir=str(folder / "raw"), processed_dir=str(folder / "processed"), target="y",
        drop_missing_target=False, task="regression", missing="observed", columns=COLUMNS, feature_tables={}, split={"method": "hash"},
    )  # fmt: skip


def test_a_good_table_is_encoded(tmp_path):
    (tmp_path / "own.csv").write_text(GOOD)
    table = prepare(data(tmp_path / "own.csv", tmp_path))
    assert table.columns["id"][:, 0].tolist() == ["1", "2"]
    assert table.columns["n"][:, 0].tolist() == [3.0, 4.0]
    assert table.columns["x"][0, 0] == 1.5
    assert table.columns["x"][1, 0] != table.columns["x"][1, 0]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1.5", "ten", "column 'x' must be a finite number, row 0 holds 'ten'"),
        ("1.5", "inf", "column 'x' must be a finite number, row 0 holds 'inf'"),
        ("1.5", "-1.5", "column 'x' must satisfy greater_than_or_equal_to(0.0): row 0 (row 0 holds -1.5)"),
        ("1.5", "11", "column 'x' must satisfy less_than_or_equal_to(10.0): row 0 (row 0 holds 11.0)"),
        (",4,", ",4.5,", "column 'n' must be an integer, row 1 holds '4.5'"),
        (",4,", ",,", "column 'n' may not be missing: row 1"),
        (",b,", ",z,", "column 'c' must satisfy isin(('a', 'b')): row 1 (row 1 holds 'z')"),
        ("0.25", "NA", "column 'y' may not be missing: row 1"),
        ("id,x,n", "id,z,n", "has no column 'x', which data.columns names; it has ['id', 'z', 'n', 'c', 'y']"),
        ("id,x,n", "id,n,n", "has two columns named 'n': rename one"),
        ("1,1.5,3,a,0.5", "1,1.5", "CSV parse error: Row #2: Expected 5 columns, got 2: 1,1.5"),
    ],
)
def test_a_bad_table_is_one_line(tmp_path, old, new, message):
    path = tmp_path / "own.csv"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(UserError) as caught:
        prepare(data(path, tmp_path))
    assert str(caught.value).endswith(message)
    assert str(path) in str(caught.value), "the user's own file, and not the copy in raw_dir"
    assert "\n" not in str(caught.value)
    processed = tmp_path / "processed"
    assert not processed.exists() or list(processed.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot read {}: it is empty"),
        (b"\n\n", "cannot read {}: CSV parse error: Empty CSV file or block: cannot infer number of columns"),
        (b"id,x,n,c,y\n", "{} has no rows"),
        (b"a;b\n1;2\n", "cannot read {}: its columns are separated by semicolons: save it with commas, as in pandas.read_csv(…, sep=';', dtype=str, keep_default_na=False).to_csv(…, index=False)"),
        (b"a;b\n1,5;2,5\n", "cannot read {}: its columns are separated by semicolons: save it with commas, as in pandas.read_csv(…, sep=';', dtype=str, keep_default_na=False).to_csv(…, index=False)"),
        (b'"a, then";b\n1;2\n', "cannot read {}: its columns are separated by semicolons: save it with commas, as in pandas.read_csv(…, sep=';', dtype=str, keep_default_na=False).to_csv(…, index=False)"),
        (b"a\tb\n1\t2\n", "cannot read {}: its columns are separated by tabs: save it with commas, as in pandas.read_csv(…, sep='\\t', dtype=str, keep_default_na=False).to_csv(…, index=False)"),
        (b"a|b\n1|2\n", "cannot read {}: its columns are separated by bars: save it with commas, as in pandas.read_csv(…, sep='|', dtype=str, keep_default_na=False).to_csv(…, index=False)"),
        (b"a,b\n1,2\n3,gr\xfcn\n", "cannot read {}: line 3 is not UTF-8 (byte 0xfc, 'ü' in cp1252): save the file as UTF-8, as in iconv -f cp1252 -t utf-8"),
        (b"gr\xfcn,b\n1,2\n", "cannot read {}: line 1 is not UTF-8 (byte 0xfc, 'ü' in cp1252): save the file as UTF-8, as in iconv -f cp1252 -t utf-8"),
        (b"a,b\n\x81,2\n", "cannot read {}: line 2 is not UTF-8 (byte 0x81): save the file as UTF-8, as in iconv -f latin-1 -t utf-8"),
        ("a,b\n1,2\n".encode("utf-16"), "cannot read {}: it is text in UTF-16: save it as CSV in UTF-8"),
        (b"PK\x03\x04rest", "cannot read {}: it is a zip archive, such as an Excel workbook: save it as CSV in UTF-8"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_table(tmp_path, content, message):
    path = tmp_path / "own.csv"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_table(path)
    assert str(caught.value) == message.format(path)


def test_a_byte_order_mark_belongs_to_no_column(tmp_path):
    (tmp_path / "own.csv").write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert read_table(tmp_path / "own.csv").column_names == ["id", "x", "n", "c", "y"]


def test_separators_inside_quotes_and_cells_are_no_separators(tmp_path):
    (tmp_path / "own.csv").write_text('a,"b;c;d;e"\n1;2,"3;4"\n')
    assert read_table(tmp_path / "own.csv").to_pylist() == [{"a": "1;2", "b;c;d;e": "3;4"}]


def test_parquet_that_is_no_parquet(tmp_path):
    path = tmp_path / "own.parquet"
    path.write_bytes(b"not parquet at all")
    with pytest.raises(UserError, match=r"^cannot read .*own\.parquet: "):
        read_table(path)


@pytest.fixture
def scored(tmp_path):
    engine = Engine(write_servable(tmp_path / "servable", "regression"))
    return engine, tmp_path / "in.parquet", tmp_path / "out.parquet"


def rows(engine: Engine, count: int) -> dict[str, list]:
    """As many equal rows of typical values as are wanted."""
    typical = {"number": 1.0, "integer": 2, "boolean": True, "time": 0.0, "category": "a"}
    inputs = {c.name: typical[c.kind] for c in engine.contract.inputs if c.source is None or c.width == 1}
    wide = {c.name: [typical[c.kind]] * c.width for c in engine.contract.inputs if c.width > 1}
    return {name: [value] * count for name, value in (inputs | wide).items()}


def test_a_batch_keeps_the_output_that_was_there(scored):
    engine, source, target = scored
    target.write_bytes(b"yesterday's")
    pyarrow.parquet.write_table(pa.table({"age": [1.0], "income": [1.0]}), source)
    with pytest.raises(UserError, match=r"missing column"):
        score(engine, source, target, rows=10)
    assert target.read_bytes() == b"yesterday's"


def test_an_output_of_another_format_is_refused(scored):
    engine, source, target = scored
    pyarrow.parquet.write_table(pa.table(rows(engine, 1)), source)
    with pytest.raises(UserError, match=r"^cannot write \.xlsx: name it \.csv or \.parquet$"):
        score(engine, source, target.with_suffix(".xlsx"), rows=10)
