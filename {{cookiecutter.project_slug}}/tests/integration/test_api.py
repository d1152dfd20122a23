"""The HTTP service on hand-made servables: values in both forms, keys, gaps, health, docs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from {{ cookiecutter.project_slug }}.inference.engine import Engine

from deployment.api.app import create_app
from tests.servables import CITY, CLASSES, COLUMNS, ROWS, expected, serving, write_servable

MODEL = {"name": "house", "version": None, "alias": None}
OPTIONAL = [column.name for column in COLUMNS if column.role != "key" and column.missing]


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
    bodies = [
        {"records": [{"age": 1}]},
        {"records": [{"age": 1} | dict.fromkeys(OPTIONAL)]},
        {"records": [{"age": 1} | dict.fromkeys(OPTIONAL, float("nan"))]},
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
    inference = answer.pop("inference")
    assert inference["where"] == ("event loop" if inference["one_row_ms"] <= 1.0 else "pool")
    assert answer == {
        "reference": str(folder),
        **MODEL,
        "run_id": None,
        "registered": None,
        "metrics": {},
        "following": None,
        **{key: contract[key] for key in ("schema_version", "targets", "columns", "missing_tokens", "provenance")},
    }


def operation(client: TestClient) -> Any:
    return client.get("/openapi.json").json()["paths"]["/predict"]["post"]


def test_docs_say_what_each_route_is_for(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    own = {path: next(iter(methods.values())) for path, methods in paths.items()}
    assert {path: route["summary"] for path, route in own.items() if route["tags"] == ["The service"]} == {
        "/predict": "Predictions for records or columns",
        "/model": "What is served",
        "/model/promotion": "What its gates found",
        "/health/live": "Whether the process answers",
        "/health/ready": "Whether the server takes requests",
        "/metrics": "For Prometheus",
    }


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
