"""The HTTP service on hand-made servables: values, forms, refusals, docs, start."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from deployment.api.app import create_app
from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.config import ServingConfig
from tests.servables import CITY, CLASSES, COLUMNS, ROWS, expected, write_servable

ROOT = Path(__file__).parents[2]
MODEL = {"name": "house", "version": None, "alias": None}
SHAPE = 'send {"records": [{"<column>": value, ...}, ...]} or {"columns": {"<column>": [value, ...], ...}}'
TIME = "an ISO 8601 time or seconds since 1970 (UTC)"
INPUTS = [column.name for column in COLUMNS if column.role != "key"]


def serving(reference: Path | str, **settings: Any) -> ServingConfig:
    defaults = {"host": "127.0.0.1", "port": 0, "threads": 1, "tracking_uri": "sqlite:///mlflow.db"}
    return ServingConfig(**defaults | {"reference": str(reference), "cache_dir": "outputs/servables"} | settings)


@pytest.fixture(scope="module", params=["regression", "classification"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(kind: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_servable(tmp_path_factory.mktemp("servables") / kind, kind)


@pytest.fixture(scope="module")
def client(folder: Path) -> TestClient:
    return TestClient(create_app(serving(folder)), raise_server_exceptions=False)


@pytest.fixture(scope="module")
def price(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    folder = write_servable(tmp_path_factory.mktemp("price") / "servable")
    return TestClient(create_app(serving(folder)), raise_server_exceptions=False)


def as_columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row.get(name) for row in rows] for name in rows[0]}


def post(client: TestClient, raw: str | bytes) -> tuple[int, Any]:
    response = client.post("/predict", content=raw)
    return response.status_code, response.json()


def test_records(client: TestClient, folder: Path, kind: str) -> None:
    response = client.post("/predict", json={"records": ROWS})
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    answer = response.json()
    assert answer["model"] == MODEL
    assert [row["id"] for row in answer["predictions"]] == [row["id"] for row in ROWS]
    engine = Engine(folder).run(as_columns(ROWS))
    oracle = expected(ROWS, kind)
    for row, got in enumerate(answer["predictions"]):
        assert got.keys() == {"id", *engine}
        if kind == "regression":
            assert got["price_prediction"] == float(engine["price_prediction"][row, 0])  # float32, exactly
            assert got["price_prediction"] == pytest.approx(oracle["price_prediction"][row, 0], rel=1e-6)
        else:
            assert got["risk_prediction"] == oracle["risk_prediction"][row, 0]
            assert got["risk_probabilities"] == dict(
                zip(CLASSES, engine["risk_probabilities"][row].astype(float), strict=True)
            )
            np.testing.assert_allclose(
                list(got["risk_probabilities"].values()), oracle["risk_probabilities"][row], atol=1e-6
            )


def test_columns_answer_the_same_as_records(client: TestClient, kind: str) -> None:
    records = client.post("/predict", json={"records": ROWS}).json()
    columns = client.post("/predict", json={"columns": as_columns(ROWS)}).json()
    assert columns["model"] == MODEL
    got = columns["predictions"]
    if kind == "classification":
        assert list(got["risk_probabilities"]) == list(CLASSES)
        probabilities = zip(*got["risk_probabilities"].values(), strict=True)
        got["risk_probabilities"] = [dict(zip(CLASSES, row, strict=True)) for row in probabilities]
    assert got == as_columns(records["predictions"])


def test_one_row_answers_as_many_do(client: TestClient) -> None:
    together = client.post("/predict", json={"records": ROWS}).json()["predictions"]
    alone = [client.post("/predict", json={"records": [row]}).json()["predictions"][0] for row in ROWS]
    for one, of_many in zip(alone, together, strict=True):
        for name, value in one.items():
            assert value == (of_many[name] if isinstance(value, str) else pytest.approx(of_many[name], rel=1e-5))


def test_absent_null_and_nan_are_the_same(price: TestClient) -> None:
    optional = [name for name in INPUTS if name != "age"]
    bodies = [
        {"records": [{"age": 1}]},
        {"records": [{"age": 1} | dict.fromkeys(optional)]},
        {"records": [{"age": 1} | dict.fromkeys(optional, float("nan"))]},
        {"records": [{"age": 1, "history": [None, float("nan"), None], CITY: "None", "seen at": ""}]},
    ]
    answers = [post(price, json.dumps(body)) for body in bodies]
    (oracle,) = expected([{"age": 1}])["price_prediction"][:, 0]
    assert answers == [(200, {"predictions": [{"price_prediction": oracle}], "model": MODEL})] * len(bodies)


def test_no_rows(client: TestClient, kind: str) -> None:
    assert post(client, '{"records": []}') == (200, {"predictions": [], "model": MODEL})
    empty: dict[str, Any] = {"id": [], "price_prediction": []}
    if kind == "classification":
        empty = {"id": [], "risk_prediction": [], "risk_probabilities": {label: [] for label in CLASSES}}
    assert post(client, '{"columns": {"age": [], "id": []}}') == (200, {"predictions": empty, "model": MODEL})


def test_keys_come_back_as_they_were_sent(price: TestClient) -> None:
    ids = [9007199254740993, "007", None, "ü\u2028", ""]
    columns = {"age": [1] * 5, "id": ids}
    assert price.post("/predict", json={"columns": columns}).json()["predictions"]["id"] == ids
    records = [{"age": 1, "id": key} for key in ids]
    assert [row["id"] for row in price.post("/predict", json={"records": records}).json()["predictions"]] == ids


CELLS: list[tuple[str, str, str]] = [
    ("age", '"1.5"', "column 'age' must be a finite number, row 1 holds '1.5'"),
    ("age", "true", "column 'age' must be a finite number, row 1 holds true"),
    ("age", "[1]", "column 'age' must be a finite number, row 1 holds [1]"),
    ("age", "Infinity", "column 'age' must be a finite number, row 1 holds inf"),
    ("age", "1e400", "column 'age' must be a finite number, row 1 holds inf"),
    ("age", "null", "column 'age' may not be missing, row 1 holds null"),
    ("age", "NaN", "column 'age' may not be missing, row 1"),
    ("rooms per house", '"3"', "column 'rooms per house' must be an integer, row 1 holds '3'"),
    ("rooms per house", "3.5", "column 'rooms per house' must be an integer, row 1 holds 3.5"),
    ("rooms per house", "false", "column 'rooms per house' must be an integer, row 1 holds false"),
    ("rooms per house", "-Infinity", "column 'rooms per house' must be an integer, row 1 holds -inf"),
    ("is.new", "1", "column 'is.new' must be true or false, row 1 holds 1"),
    ("is.new", '"a\\nb"', "column 'is.new' must be true or false, row 1 holds 'a\\nb'"),
    ("seen at", '"yesterday"', f"column 'seen at' must be {TIME}, row 1 holds 'yesterday'"),
    ("seen at", '"20200101"', f"column 'seen at' must be {TIME}, row 1 holds '20200101'"),
    ("seen at", '"2020-02-30"', f"column 'seen at' must be {TIME}, row 1 holds '2020-02-30'"),
    ("seen at", "true", f"column 'seen at' must be {TIME}, row 1 holds true"),
    (CITY, "1.5", f"column {CITY!r} must be text, an integer, true or false, row 1 holds 1.5"),
    (CITY, '{"a": 1}', f"column {CITY!r} must be text, an integer, true or false, row 1 holds {{'a': 1}}"),
    (CITY, "Infinity", f"column {CITY!r} must be text, an integer, true or false, row 1 holds inf"),
    ("history", "1", "column 'history' must be a list of 3 values, each a finite number, row 1 holds 1"),
    ("history", "[1, 2]", "column 'history' must be a list of 3 values, each a finite number, row 1 holds [1, 2]"),
    ("history", '[1, "2", 3]',
     "column 'history' must be a list of 3 values, each a finite number, row 1 holds '2' at position 1"),
    ("history", "[1, 2, Infinity]", "column 'history' must be a finite number, row 1 holds inf"),
    ("id", "1.5", "column 'id' must be text or an integer, row 1 holds 1.5"),
    ("id", "9223372036854775808", "column 'id' must be text or an integer, row 1 holds 9223372036854775808"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "cell", "detail"), CELLS)
def test_cells_that_do_not_fit(price: TestClient, name: str, cell: str, detail: str) -> None:
    field = json.dumps(name)
    rest = "" if name == "age" else '"age": 1, '
    assert post(price, f'{{"records": [{{"age": 1}}, {{{rest}{field}: {cell}}}]}}') == (422, {"detail": detail})
    rest = "" if name == "age" else '"age": [1, 1], '
    first = "1" if name == "age" else "null"
    assert post(price, f'{{"columns": {{{rest}{field}: [{first}, {cell}]}}}}') == (422, {"detail": detail})


BODIES: list[tuple[str | bytes, int, str]] = [
    ("", 400, "the body is not JSON: EOF while parsing a value at line 1 column 0"),
    ('{"records": [{"age": 1}', 400, "the body is not JSON: EOF while parsing a list at line 1 column 23"),
    (b'{"records": [{"age": 1, "id": "\xff"}]}', 400,
     "the body is not JSON: invalid unicode code point at line 1 column 32"),
    ('{"records": [{"age": 1, "id": "\\udc00x"}]}', 400,
     "the body is not JSON: lone leading surrogate in hex escape at line 1 column 36"),
    ("null", 422, f"the body must be an object, not null: {SHAPE}"),
    ("[]", 422, f"the body must be an object, not []: {SHAPE}"),
    ("{}", 422, f"the body has neither records nor columns: {SHAPE}"),
    ('{"records": [], "columns": {"age": []}}', 422, f"the body has both records and columns: {SHAPE}"),
    ('{"instances": []}', 422, f"unknown field 'instances' in the body: {SHAPE}"),
    ('{"records": {}}', 422, "records must be a list of objects, one per row, not {}"),
    ('{"records": null}', 422, "records must be a list of objects, one per row, not null"),
    ('{"records": [5]}', 422, "row 0 must be an object with a value per column, not 5"),
    ('{"records": [{}]}', 422, "column 'age' may not be missing, row 0 lacks it"),
    ('{"records": [{"age": 1}, {"aeg": 1}]}', 422, "unknown column 'aeg' in row 1: GET /model lists the columns"),
    ('{"columns": []}', 422, "columns must be an object of lists, one per column, not []"),
    ('{"columns": {}}', 422, "column 'age' may not be missing, the body lacks it"),
    ('{"columns": {"age": 5}}', 422, "column 'age' must be a list, one value per row, not 5"),
    ('{"columns": {"age": null}}', 422, "column 'age' must be a list, one value per row, not null"),
    ('{"columns": {"age": [1], "aeg": [1]}}', 422, "unknown column 'aeg' in the body: GET /model lists the columns"),
    ('{"columns": {"age": [1, 2], "income": [1]}}', 422, "column 'income' has 1 rows, column 'age' has 2"),
    ('{"columns": {"age": [1, 2], "id": ["a", "b", "c"]}}', 422, "column 'id' has 3 rows, column 'age' has 2"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "detail"), BODIES)
def test_bodies_that_do_not_fit(price: TestClient, body: str | bytes, status: int, detail: str) -> None:
    assert post(price, body) == (status, {"detail": detail})


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from([column.name for column in COLUMNS]), cell=ANY_JSON, by_column=st.booleans())
def test_any_json_as_a_cell(price: TestClient, name: str, cell: object, by_column: bool) -> None:
    row = {"age": 1.0} | {name: cell}
    body = {"columns": {key: [value] for key, value in row.items()}} if by_column else {"records": [row]}
    status, answer = post(price, json.dumps(body))
    if status == 200:
        (value,) = answer["predictions"]["price_prediction"] if by_column else [
            answer["predictions"][0]["price_prediction"]
        ]  # fmt: skip
        assert value is not None
    else:
        assert status in (400, 422)
        assert len(answer["detail"].splitlines()) == 1


def test_health(folder: Path) -> None:
    app = create_app(serving(folder))
    client = TestClient(app)
    assert client.get("/health/live").status_code == client.get("/health/ready").status_code == 200
    app.state.served = None
    assert client.get("/health/live").status_code == 200
    for response in (client.get("/health/ready"), client.get("/model"), client.post("/predict", content=b"{}")):
        assert response.status_code == 503
        assert response.json() == {"detail": "no model is loaded: ask /health/ready until it answers 200"}


def test_model(client: TestClient, folder: Path) -> None:
    answer = client.get("/model").json()
    contract = json.loads((folder / "contract.json").read_text(encoding="utf-8"))
    assert answer == {
        "reference": str(folder),
        **MODEL,
        "run_id": None,
        **{key: contract[key] for key in ("schema_version", "targets", "columns", "provenance")},
    }


def operation(client: TestClient) -> Any:
    return client.get("/openapi.json").json()["paths"]["/predict"]["post"]


def test_docs_show_the_fields(client: TestClient, kind: str) -> None:
    body = operation(client)["requestBody"]["content"]["application/json"]
    records, columns = (form["properties"] for form in body["schema"]["anyOf"])
    record, table = records["records"]["items"], columns["columns"]
    assert list(record["properties"]) == list(table["properties"]) == [column.name for column in COLUMNS]
    assert record["required"] == table["required"] == ["age"]
    assert record["additionalProperties"] is table["additionalProperties"] is False
    described = {name: field["description"] for name, field in record["properties"].items()}
    assert described["age"] == "a finite number, in years; 18.0 to 90.0 in training."
    assert "feature table cells, by age" in described["income"]
    assert record["properties"]["age"]["type"] == "number"
    assert {"type": "null"} in record["properties"]["rooms per house"]["anyOf"]
    rows, _ = operation(client)["responses"]["200"]["content"]["application/json"]["schema"]["anyOf"]
    answered = set(rows["properties"]["predictions"]["items"]["properties"])
    assert answered == {"id"} | ({"price_prediction"} if kind == "regression" else {"risk_prediction", "risk_probabilities"})  # fmt: skip
    assert client.get("/docs").status_code == 200


def test_the_example_works_when_sent_back(client: TestClient, folder: Path) -> None:
    example = operation(client)["requestBody"]["content"]["application/json"]["example"]
    typical = {"age": 41.5, "rooms per house": 4, "is.new": True, "seen at": "2020-09-13T12:26:40Z", CITY: "süd"}
    assert example == {"records": [typical | {"history": [1.5] * 3, "income": 2.0, "id": "a-1"}]}
    response = client.post("/predict", json=example)
    assert response.status_code == 200
    answered = response.json()["predictions"][0]
    assert answered.pop("id") == "a-1"
    assert answered.keys() == Engine(folder).run(as_columns(example["records"])).keys()


def damaged(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def unanswerable(tmp_path: Path) -> Path:
    """A servable whose golden answers are another model's."""
    folder, other = write_servable(tmp_path / "a"), write_servable(tmp_path / "b", bias=1.0)
    contract = json.loads((folder / "contract.json").read_text(encoding="utf-8"))
    contract["digests"]["golden.json"] = json.loads((other / "contract.json").read_text())["digests"]["golden.json"]
    (folder / "golden.json").write_bytes((other / "golden.json").read_bytes())
    return damaged(folder, "contract.json", json.dumps(contract))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path / "absent", "neither a directory nor models:/"),
        (lambda path: path, "is not a servable: it has no contract.json"),
        (lambda path: damaged(write_servable(path / "a"), "model.onnx", "x"), "is not the file that was trained"),
        (unanswerable, "5 of 5 golden rows differ; row 0 of price by"),
    ],
)
def test_what_cannot_be_served(tmp_path: Path, make: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        create_app(serving(make(tmp_path)))
    assert len(str(caught.value).splitlines()) == 1


@pytest.fixture
def at_root(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.chdir(ROOT)
    return monkeypatch


def test_the_factory_reads_the_environment(at_root: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = write_servable(tmp_path / "with space")
    at_root.setenv("SERVING_OVERRIDES", f"'serving.reference=\"{folder}\"' serving.threads=2 logging.level=WARNING")
    assert TestClient(create_app()).get("/model").json()["reference"] == str(folder)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("serving.reference=absent", "error: 'absent' is neither a directory nor models:/<name>@<alias> nor "
         "models:/<name>/<version>"),
        ("serving.prot=1", "error: Key 'prot' is not in struct"),
        ("serving.port=70000", "error: config: serving.port: Input should be less than or equal to 65535, not 70000"),
        ("'serving.port=1", "error: cannot read SERVING_OVERRIDES (No closing quotation): quote it as for a shell"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_environment_is_one_line(
    at_root: pytest.MonkeyPatch, overrides: str, message: str
) -> None:
    at_root.setenv("SERVING_OVERRIDES", overrides)
    with pytest.raises(SystemExit) as caught:
        create_app()
    assert isinstance(caught.value.code, str)  # printed, and exit code 1
    assert message in caught.value.code
    assert len(caught.value.code.splitlines()) == 1
