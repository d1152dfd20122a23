"""Business rules add fields to an answer, and change nothing of it."""

from pathlib import Path
from typing import Any

import pytest

from {{ cookiecutter.project_slug }}.ports import UserError

from deployment.api import rules
from deployment.api.app import create_app
from tests.clients import client
from tests.servables import ROWS, serving


def added(columns: Any, predictions: Any) -> dict[str, list[Any]]:
    return {
        "affordable": [price < 60 for price in predictions["price_prediction"]],
        "seen": [f"{key}:{age}" for key, age in zip(columns["id"], columns["age"], strict=True)],
    }


FIELDS: dict[str, dict[str, Any]] = {"affordable": {"type": "boolean"}, "seen": {"type": "string"}}


def test_rules_add_fields(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = client(folder).post("/predict", json={"records": ROWS}).json()["predictions"]
    monkeypatch.setattr(rules, "FIELDS", FIELDS)
    monkeypatch.setattr(rules, "add", added)
    asked = client(folder)
    rows = asked.post("/predict", json={"records": ROWS}).json()["predictions"]
    assert rows == [
        row | {"affordable": row["price_prediction"] < 60, "seen": f"{row['id']}:{float(sent['age'])}"}
        for row, sent in zip(plain, ROWS, strict=True)
    ]
    columns = asked.post("/predict", json={"columns": {"age": [1, 2]}}).json()["predictions"]
    assert columns["seen"] == ["None:1.0", "None:2.0"]
    answer = asked.get("/openapi.json").json()["paths"]["/predict"]["post"]["responses"]["200"]
    schema = answer["content"]["application/json"]["schema"]["anyOf"][0]["properties"]["predictions"]["items"]
    assert schema["properties"]["affordable"] == {"type": "boolean"}
    assert {"affordable", "seen"} <= set(schema["required"])


def meddling(columns: Any, predictions: Any) -> dict[str, list[Any]]:
    predictions["price_prediction"][:] = [0.0] * len(predictions["price_prediction"])
    columns["id"][:] = ["x"] * len(columns["id"])
    return {"affordable": [True] * len(columns["id"])}


def test_rules_can_change_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = client(folder).post("/predict", json={"records": ROWS}).json()["predictions"]
    monkeypatch.setattr(rules, "FIELDS", {"affordable": {}})
    monkeypatch.setattr(rules, "add", meddling)
    got = client(folder).post("/predict", json={"records": ROWS}).json()["predictions"]
    assert got == [row | {"affordable": True} for row in plain]


@pytest.mark.parametrize(
    ("fields", "add", "message"),
    [
        ({"price_prediction": {}}, added, "the field 'price_prediction' is there already"),
        ({"id": {}}, added, "the field 'id' is there already"),
        ({"x": {}}, added, "add gives the fields ['affordable', 'seen'], FIELDS declares ['x']"),
        ({"x": {}}, lambda *_: {"x": [1]}, "ValueError on 5 golden rows: the field 'x' has 1 values for 5 rows"),
        ({"x": {}}, lambda *_: {"x": [1] * 5}, "ValueError on 1 golden rows: the field 'x' has 5 values for 1 rows"),
        ({"x": {}}, lambda c, _: {"x": [{1} for _ in c["id"]]}, "Type is not JSON serializable: set"),
        ({"x": {}}, lambda c, _: {"x": c["no such"]}, "KeyError on 5 golden rows: 'no such'"),
    ],
)
def test_rules_that_do_not_keep_their_word(
    folder: Path, monkeypatch: pytest.MonkeyPatch, fields: Any, add: Any, message: str
) -> None:
    monkeypatch.setattr(rules, "FIELDS", fields)
    monkeypatch.setattr(rules, "add", add)
    with pytest.raises(UserError, match=r"^deployment/api/rules\.py: ") as caught:
        create_app(serving(folder))
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
