"""`mlflow.pyfunc` answers the same whatever types, order, index and container its table has."""

import decimal
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ..agreement import assert_agree
from ..awkward import KINDS
from ..trainings import Trained

pytestmark = pytest.mark.slow
Change = Callable[[pd.DataFrame], Any]
COLUMNS = list(KINDS)
NUMBERS = [name for name, kind in KINDS.items() if kind == "number"]
CATEGORIES = ["colour", "sku"]


@pytest.fixture(scope="module")
def model(train_awkward: Callable[[str, str], Trained], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A classifier of the awkward table, loaded by MLflow."""
    import mlflow

    from {{ cookiecutter.project_slug }}.integrations import mlflow_flavor

    path = tmp_path_factory.mktemp("pyfunc") / "model"
    mlflow_flavor.save_model(str(path), mlflow.models.Model(), str(train_awkward("lightgbm", "cls").servable.folder))
    return mlflow.pyfunc.load_model(str(path))


@pytest.fixture(scope="module")
def frame(heldout: pd.DataFrame) -> pd.DataFrame:
    """The inputs alone; the rows with a value where training had none, so that every type can be tried."""
    return heldout[COLUMNS]


@pytest.fixture(scope="module")
def want(model: Any, frame: pd.DataFrame) -> pd.DataFrame:
    """The answers to the table as it is."""
    answers: pd.DataFrame = model.predict(frame)
    assert list(answers) == ["cls_prediction", *(f"cls_probabilities_{label}" for label in ("hoch ü", "low", "mid"))]
    assert answers["cls_prediction"].nunique() == 3
    assert answers.iloc[:, 1].nunique() > 100
    return answers


def with_types(**types: Any) -> Change:
    return lambda frame: frame.astype({name.replace("_iso", " iso"): kind for name, kind in types.items()})


def with_times(unit: str, zone: str | None = None) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        iso = pd.to_datetime(frame["when iso"], utc=True).astype(f"datetime64[{unit}, UTC]")
        whole = (frame["when_s"].fillna(0.0) * 1e6).astype("int64").astype("datetime64[us, UTC]")
        seconds = whole.where(frame["when_s"].notna()).astype(f"datetime64[{unit}, UTC]")
        convert = (lambda times: times.dt.tz_convert(zone)) if zone else (lambda times: times.dt.tz_localize(None))
        return frame.assign(**{"when iso": convert(iso), "when_s": convert(seconds)})

    return change


def from_csv(**options: Any) -> Change:
    return lambda frame: pd.read_csv(io.StringIO(frame.to_csv(index=False)), **options)


def as_objects(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype(object).where(frame.notna(), None)


def as_decimals(frame: pd.DataFrame) -> pd.DataFrame:
    exact = [None if value != value else decimal.Decimal(repr(value)) for value in frame["big"]]
    return frame.assign(big=pd.Series(exact, dtype=object))


def as_python_times(frame: pd.DataFrame) -> pd.DataFrame:
    moments = [None if value is None else pd.Timestamp(value).to_pydatetime() for value in frame["when iso"]]
    return frame.assign(**{"when iso": pd.Series(moments, dtype=object)})


SAME_ROWS: dict[str, Change] = {
    "int64 instead of a float": lambda frame: frame.assign(void=0, const=frame["const"].fillna(7.0)),
    "Int64": with_types(count="Int64", when_s="Int64"),
    "float with NaN for an integer": with_types(count="float64"),
    "Float64": lambda frame: frame.astype(dict.fromkeys(NUMBERS, "Float64")),
    "boolean": with_types(flag="boolean"),
    "boolean as numbers": with_types(flag="float64"),
    "boolean as text": lambda frame: frame.assign(flag=frame["flag"].map({True: "TRUE", False: "false"})),
    "category": with_types(colour="category", sku="category", count="category"),
    "Arrow strings": with_types(colour="string[pyarrow]", sku="string[pyarrow]", when_iso="string[pyarrow]"),
    "Python strings": with_types(colour="string[python]", sku="string[python]"),
    "Arrow types everywhere": lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
    "nullable types everywhere": lambda frame: frame.convert_dtypes(),
    "objects with None": as_objects,
    "decimals": as_decimals,
    "datetime64[ns]": with_times("ns"),
    "datetime64[s]": with_times("s"),
    "datetime64 with UTC": with_times("us", "UTC"),
    "datetime64 in Tokyo": with_times("ns", "Asia/Tokyo"),
    "datetime objects": as_python_times,
    "columns shuffled": lambda frame: frame[sorted(COLUMNS, key=lambda name: name[::-1])],
    "columns that are not wanted": lambda frame: frame.assign(extra="x", **{"another one": 1.0}),
    "read_csv": from_csv(),
    "read_csv with parsed dates": from_csv(parse_dates=["when iso"]),
    "read_csv as text": from_csv(dtype=str),
    "read_csv as text without gaps": from_csv(dtype=str, keep_default_na=False),
    "read_csv with nullable types": from_csv(dtype_backend="numpy_nullable"),
    "read_csv with Arrow types": from_csv(dtype_backend="pyarrow"),
    "read_csv by Arrow": from_csv(engine="pyarrow"),
    "an Arrow table": pa.Table.from_pandas,
    "an Arrow record batch": pa.RecordBatch.from_pandas,
    "a dict of lists": lambda frame: {name: as_objects(frame)[name].tolist() for name in COLUMNS},
    "a dict of arrays": lambda frame: {name: frame[name].to_numpy() for name in COLUMNS},
    "a list of dicts": lambda frame: as_objects(frame).to_dict("records"),
}


@pytest.mark.parametrize("way", SAME_ROWS)
def test_the_same_rows(model: Any, frame: pd.DataFrame, want: pd.DataFrame, way: str) -> None:
    if way == "int64 instead of a float":  # no gaps are left in those columns
        want = model.predict(frame.assign(void=0.0, const=frame["const"].fillna(7.0)))
    assert_agree(model.predict(SAME_ROWS[way](frame)), want, 0.5)


@pytest.mark.parametrize(
    "rows",
    [
        lambda frame: frame[frame["big"] > 1e9],
        lambda frame: frame.iloc[::-1],
        lambda frame: frame.sample(50, random_state=0),
        lambda frame: frame.iloc[[80]],
        lambda frame: frame.iloc[:1],
        lambda frame: frame.iloc[:0],
    ],
)
def test_some_rows_keep_their_index(model: Any, frame: pd.DataFrame, want: pd.DataFrame, rows: Change) -> None:
    part = rows(frame)
    got = model.predict(part)
    assert got.index.equals(part.index)
    assert_agree(got, want.loc[part.index], 0.5)


def test_an_index_of_names(model: Any, frame: pd.DataFrame, want: pd.DataFrame) -> None:
    named = frame.set_axis([f"row {number}" for number in range(len(frame))])
    got = model.predict(named)
    assert got.index.equals(named.index)
    assert_agree(got, want, 0.5)


def test_no_rows_and_no_types(model: Any, want: pd.DataFrame) -> None:
    got = model.predict(pd.DataFrame(columns=COLUMNS))
    assert got.shape == (0, 4)
    assert list(got.columns) == list(want.columns)


def test_one_record(model: Any, frame: pd.DataFrame, want: pd.DataFrame) -> None:
    record = as_objects(frame).iloc[90].to_dict()
    assert_agree(model.predict(record), want.iloc[[90]], 0.5)
    assert_agree(model.predict([record]), want.iloc[[90]], 0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="big"), "missing column: 'big'"),
        (lambda frame: frame.drop(columns=["when iso", "sku"]), "missing columns: 'when iso', 'sku'"),
        (lambda frame: frame.assign(big="ten"), "column 'big' must be a finite number, row 0 holds 'ten'"),
        (lambda frame: frame.assign(flag=3), "column 'flag' must be true or false, row 0 holds 3"),
        (lambda frame: frame.assign(big=np.inf), "column 'big' must be a finite number, row 0 holds inf"),
        (lambda frame: frame.assign(count=0.5), "column 'count' must be an integer, row 0 holds 0.5"),
        (
            lambda frame: frame.assign(**{"when iso": "yesterday"}),
            "column 'when iso' must be an ISO 8601 time or seconds since 1970 (UTC), row 0 holds 'yesterday'",
        ),
    ],
)
def test_refused_in_one_line(model: Any, frame: pd.DataFrame, change: Change, message: str) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException) as error:
        model.predict(change(frame))
    assert str(error.value) == message
    assert error.value.error_code == "INVALID_PARAMETER_VALUE"
