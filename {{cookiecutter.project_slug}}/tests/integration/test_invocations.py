"""`/invocations` answers what the registered model's pyfunc answers, in every format; `/ping`; errors in MLflow's form."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.pyfunc import scoring_server
from starlette.testclient import TestClient

from {{ cookiecutter.project_slug }}.integrations import mlflow_flavor

from deployment.api.app import create_app
from tests.servables import CITY, COLUMNS, ROWS, expected, serving, write_servable

NAMES = [column.name for column in COLUMNS if column.role != "key"]
RECORDS = [{name: row[name] for name in NAMES} for row in ROWS]
SHAPE = "send an object with one of dataframe_split, dataframe_records, inputs, instances"


@pytest.fixture(scope="module", params=["regression", "classification"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_servable(tmp_path_factory.mktemp("servables") / request.param, request.param)


@pytest.fixture(scope="module")
def client(folder: Path) -> TestClient:
    return TestClient(create_app(serving(folder)), raise_server_exceptions=False)


@pytest.fixture(scope="module")
def pyfunc(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The model as `mlflow models serve` loads it."""
    path = str(tmp_path_factory.mktemp("model") / "model")
    mlflow_flavor.save_model(path, mlflow.models.Model(), str(folder))
    return mlflow.pyfunc.load_model(path)


@pytest.fixture(scope="module")
def price(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    folder = write_servable(tmp_path_factory.mktemp("price") / "servable", wide=False)
    return TestClient(create_app(serving(folder)), raise_server_exceptions=False)


def ask(client: TestClient, body: Any, media: str = "application/json") -> tuple[int, Any]:
    raw = body if isinstance(body, str | bytes) else json.dumps(body)
    response = client.post("/invocations", content=raw, headers={"Content-Type": media})
    return response.status_code, response.json()


def by_mlflow(pyfunc: Any, body: Any, media: str = "application/json") -> tuple[int, Any]:
    """What MLflow's own scoring server answers."""
    raw = body if isinstance(body, str) else json.dumps(body)
    answer = scoring_server.invocations(raw, media, pyfunc, None)
    return answer.status, json.loads(answer.response)


def split(records: list[dict[str, Any]], names: list[str]) -> dict[str, Any]:
    return {"columns": names, "data": [[record[name] for name in names] for record in records]}


def as_columns(records: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [record[name] for record in records] for name in records[0]}


MISSING = [record | {"rooms per house": None, "income": float("nan"), CITY: None} for record in RECORDS]
TEXTS = [record | {"age": str(record["age"]), "extra": "ignored"} for record in RECORDS]
BODIES = [
    {"dataframe_split": split(RECORDS, NAMES)},
    {"dataframe_split": split(RECORDS, NAMES[::-1]) | {"index": list("abcde")}},
    {"dataframe_split": split(MISSING, NAMES)},
    {"dataframe_split": split([], NAMES)},
    {"dataframe_records": RECORDS},
    {"dataframe_records": MISSING, "params": {"any": 1}},
    {"dataframe_records": TEXTS},
    {"dataframe_records": [RECORDS[0], {"age": 3.5, "history": [1, 2, 3]}]},
    {"instances": RECORDS},
    {"instances": MISSING},
    {"inputs": RECORDS},
    {"inputs": as_columns(RECORDS)},
    {"inputs": as_columns(MISSING)},
    {"inputs": as_columns(RECORDS * 200)},
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: next(iter(body)))
def test_the_same_values_in_the_same_shape(client: TestClient, pyfunc: Any, body: Any) -> None:
    want = by_mlflow(pyfunc, body)
    assert want[0] == 200
    assert ask(client, body) == want


@pytest.mark.parametrize("change", [{}, {"rooms per house": None, CITY: None}, {CITY: 'a "quote", and\na line'}])
def test_tables_as_text(price: TestClient, change: dict[str, Any]) -> None:
    rows = [{name: cell for name, cell in (row | change).items() if name != "history"} for row in ROWS]
    text = pd.DataFrame(rows).to_csv(index=False)
    status, answer = ask(price, text, "text/csv; charset=utf-8")
    want = expected(rows, wide=False)["price_prediction"][:, 0]
    assert status == 200
    assert [record["price_prediction"] for record in answer["predictions"]] == pytest.approx(want, rel=1e-6)
    assert ask(price, "\ufeff" + text.replace("\n", "\r\n"), "text/csv")[0] == 200


def test_tables_as_text_answer_as_mlflow_does(tmp_path: Path) -> None:
    folder = write_servable(tmp_path / "servable", wide=False)
    mlflow_flavor.save_model(str(tmp_path / "model"), mlflow.models.Model(), str(folder))
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    text = pd.DataFrame(ROWS).drop(columns="history").to_csv(index=False)
    client = TestClient(create_app(serving(folder)))
    assert ask(client, text, "text/csv") == by_mlflow(loaded, text, "text/csv")


def test_mlflows_client_reads_the_answer(price: TestClient) -> None:
    from mlflow.deployments import PredictionsResponse
    from mlflow.utils.proto_json_utils import dump_input_data

    frame = pd.DataFrame(RECORDS).drop(columns="history")
    response = price.post("/invocations", content=dump_input_data(frame), headers={
        "Content-Type": scoring_server.CONTENT_TYPE_JSON,
    })  # fmt: skip
    got = PredictionsResponse.from_json(response.text).get_predictions()
    want = expected(ROWS, wide=False)["price_prediction"][:, 0]
    assert list(got.columns) == ["price_prediction"]
    assert got["price_prediction"].tolist() == pytest.approx(want, rel=1e-6)


BAD: list[tuple[Any, str, str]] = [
    ("{", "BAD_REQUEST", "the body is not JSON: EOF while parsing an object at line 1 column 1"),
    ([], "BAD_REQUEST", f"the body must be an object, not []: {SHAPE}"),
    ({}, "BAD_REQUEST", f"the body has none of the formats: {SHAPE}"),
    ({"params": {}}, "BAD_REQUEST", f"the body has none of the formats: {SHAPE}"),
    ({"records": []}, "BAD_REQUEST", f"unknown field 'records' in the body: {SHAPE}"),
    ({"inputs": [], "instances": []}, "BAD_REQUEST", f"the body has inputs and instances: {SHAPE}"),
    ({"dataframe_records": {}}, "INVALID_PARAMETER_VALUE",
     "dataframe_records must be a list of objects, one per row, not {}"),
    ({"inputs": [[1]]}, "INVALID_PARAMETER_VALUE",
     "inputs must be a list of objects, one per row, or an object of columns, not [[1]]"),
    ({"inputs": {"age": [1]}}, "INVALID_PARAMETER_VALUE",
     f"missing columns: {', '.join(map(repr, [name for name in NAMES if name not in ('age', 'history')]))}"),
    ({"dataframe_split": {"data": []}}, "INVALID_PARAMETER_VALUE",
     "dataframe_split must be an object of columns and data, not {'data': []}"),
    ({"dataframe_split": {"columns": ["a", "a"], "data": []}}, "INVALID_PARAMETER_VALUE", "column 'a' is there twice"),
    ({"dataframe_split": {"columns": ["a" * 999] * 2, "data": []}}, "INVALID_PARAMETER_VALUE",
     "column 'aaaaaaaaaaaa...aaaaaaaaaaaaa' is there twice"),
    ({"dataframe_split": {"columns": ["a"], "data": [[1], [1, 2]]}}, "INVALID_PARAMETER_VALUE",
     "row 1 must be a list of 1 cells, one per column, not 2 cells"),
    ({"dataframe_split": {"columns": ["a"], "data": [[1]], "index": []}}, "INVALID_PARAMETER_VALUE",
     "index must be a list with an entry for each of the 1 rows, not []"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "code", "message"), BAD)
def test_bodies_that_do_not_fit(price: TestClient, body: Any, code: str, message: str) -> None:
    assert ask(price, body) == (400, {"error_code": code, "message": message})


@pytest.mark.parametrize(("cell", "message"), [
    ("old", "column 'age' must be a finite number, row 1 holds 'old'"),
    (True, "column 'age' must be a finite number, row 1 holds True"),
    (None, "column 'age' may not be missing, row 1"),
    (float("inf"), "column 'age' must be a finite number, row 1 holds inf"),
    ([[1, 2], [3]], "column 'age' must be a finite number, row 1 holds [[1, 2], [3]]"),
    ({"a": 1}, "column 'age' must be a finite number, row 1 holds {'a': 1}"),
    (1e39, "row 1 has no finite price_prediction: look for an input far from what training saw"),
])  # fmt: skip
def test_cells_that_do_not_fit(price: TestClient, cell: Any, message: str) -> None:
    records = [RECORDS[0], RECORDS[0] | {"age": cell}]
    assert ask(price, {"dataframe_records": records}) == (
        400, {"error_code": "INVALID_PARAMETER_VALUE", "message": message},
    )  # fmt: skip


@pytest.mark.parametrize(("body", "message"), [
    (b"", "the body is empty: send a line with the columns' names, and a line per row"),
    (b"a\n\xff\n", "the body is not UTF-8: byte 2 is odd"),
    (b'a\n"b', "the body is not CSV: unexpected end of data"),
    (b"a,b\n1\n", "row 0 must be a list of 2 cells, one per column, not 1 cells"),
])  # fmt: skip
def test_text_that_does_not_fit(price: TestClient, body: bytes, message: str) -> None:
    status, answer = ask(price, body, "text/csv")
    assert (status, answer["message"]) == (400, message)


@pytest.mark.parametrize("media", ["application/vnd.apache.parquet", "text/csv; charset=latin-1", "text/plain", "x"])
def test_types_that_are_not_read(price: TestClient, media: str) -> None:
    status, answer = ask(price, b"", media)
    assert (status, answer["error_code"]) == (415, "BAD_REQUEST")


@pytest.mark.parametrize("form", ["dataframe_records", "instances", "inputs"])
def test_names_that_differ_from_record_to_record_cost_nothing(price: TestClient, form: str) -> None:
    strangers = [RECORDS[0]] + [RECORDS[0] | {f"stranger {number}": 1} for number in range(4000)]
    body = json.dumps({form: strangers})
    tracemalloc.start()
    try:
        status, answer = ask(price, body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (status, len(answer["predictions"])) == (200, 4001)
    assert peak < 60e6  # 4,000 columns of 4,000 cells would be 128 MB


def test_too_many_rows(folder: Path) -> None:
    client = TestClient(create_app(serving(folder, max_rows=3)))
    said = {
        "error_code": "REQUEST_LIMIT_EXCEEDED",
        "message": "the request has 5 rows, 3 are allowed: send fewer at a time",
    }
    for body in ({"dataframe_split": split(RECORDS, NAMES)}, {"instances": RECORDS}, {"inputs": as_columns(RECORDS)}):
        assert ask(client, body) == (413, said)
    assert ask(client, {"instances": [RECORDS[0], {}, {}, {}, {}]}) == (413, said)


def test_ping(tmp_path: Path) -> None:
    app = create_app(serving(write_servable(tmp_path / "servable"), api_keys="secret"))
    client = TestClient(app)
    assert (client.get("/ping").status_code, client.get("/ping").text) == (200, "\n")  # a probe has no key
    app.state.draining = True
    assert client.get("/ping").status_code == 503
    app.state.draining, app.state.served = False, None
    response = client.get("/ping")
    assert (response.status_code, response.json()) == (503, {
        "error_code": "TEMPORARILY_UNAVAILABLE",
        "message": "no model is loaded: ask /health/ready until it answers 200",
    })  # fmt: skip


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    form=st.sampled_from(["dataframe_split", "dataframe_records", "inputs", "instances"]),
    table=ANY_JSON,
    name=st.sampled_from(NAMES),
    whole=st.booleans(),
)
def test_any_json_is_answered_or_refused(price: TestClient, form: str, table: Any, name: str, whole: bool) -> None:
    record = RECORDS[0] | {name: table}
    full = {"dataframe_split": split([record], NAMES), "inputs": as_columns([record])}
    status, answer = ask(price, {form: table if whole else full.get(form, [record])})
    assert status in (200, 400)
    if status == 400:
        assert len(answer["message"].splitlines()) == 1


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=60) | st.binary(max_size=60))
def test_any_text_is_answered_or_refused(price: TestClient, text: str | bytes) -> None:
    status, answer = ask(price, text, "text/csv")
    assert status == 400  # no such text has all columns
    assert len(answer["message"].splitlines()) == 1
