"""Answers of the Open Inference Protocol: outputs, versions, JSON in other shapes, compression."""

import gzip
import json
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from deployment.api.app import create_app
from deployment.api.dialects.oip_bytes import texts
from tests.oip import INFER, LENGTH, as_json, ask, tensors
from tests.project import make_project, store
from tests.servables import CLASSES, ROWS, expected, serving, write_servable
from tests.servers import PATIENCE, register


@pytest.mark.slow
def test_an_answer_is_of_the_version_that_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the alias moves under the requests."""
    monkeypatch.chdir(make_project(tmp_path))
    folders = [write_servable(tmp_path / f"v{number}", bias=float(number)) for number in (1, 2)]
    body = json.dumps({"inputs": as_json(tensors(folders[0], ROWS))})
    values = {str(number): expected(ROWS, bias=float(number))["price_prediction"][:, 0] for number in (1, 2)}
    register(store(), folders[0])
    with TestClient(create_app(serving("models:/house@dev", poll_seconds=0.02))) as client:
        seen = []
        deadline = time.monotonic() + PATIENCE
        while seen[-50:].count("2") < 50:
            assert time.monotonic() < deadline, set(seen)
            response = client.post(INFER, content=body)
            answer = response.json()
            seen.append(answer["model_version"])
            assert response.headers["x-model-version"] == seen[-1]
            np.testing.assert_allclose(answer["outputs"][0]["data"], values[seen[-1]], rtol=1e-5)
            if len(seen) == 5:
                register(store(), folders[1])
        assert set(seen) == {"1", "2"}
        assert client.get("/v2/models/house").json()["versions"] == ["2"]
        assert ask(client, body.encode(), "/v2/models/house/versions/1/infer") == (
            404, {"error": "model 'house' has no version '1' here: it serves 2"},
        )  # fmt: skip
        records = [{name: cell for name, cell in row.items() if name != "id"} for row in ROWS]
        flat = client.post("/invocations", json={"instances": records})
        assert flat.headers["x-model-version"] == "2"
        assert [row["price_prediction"] for row in flat.json()["predictions"]] == pytest.approx(values["2"], rel=1e-5)


def test_labels_and_probabilities(tmp_path: Path) -> None:
    folder = write_servable(tmp_path / "risk", "classification")
    client = TestClient(create_app(serving(folder)))
    inputs, want = as_json(tensors(folder, ROWS)), expected(ROWS, "classification")
    _, answer = ask(client, {"inputs": inputs})
    label, probabilities = answer["outputs"]
    assert label == {
        "name": "risk_prediction", "datatype": "BYTES", "shape": [5, 1], "data": want["risk_prediction"][:, 0].tolist(),
    }  # fmt: skip
    assert (probabilities["datatype"], probabilities["shape"]) == ("FP32", [5, len(CLASSES)])
    np.testing.assert_allclose(probabilities["data"], want["risk_probabilities"].reshape(-1), atol=1e-6)
    body = {"inputs": inputs, "outputs": [{"name": "risk_prediction", "parameters": {"binary_data": True}}]}
    response = client.post(INFER, content=json.dumps(body))
    length = int(response.headers[LENGTH])
    assert response.headers["content-type"] == "application/octet-stream"
    (only,) = json.loads(response.content[:length])["outputs"]
    assert only["parameters"] == {"binary_data_size": len(response.content) - length}
    assert texts(response.content[length:], 5, "") == label["data"]


def test_nested_data_null_and_no_rows(price: TestClient, folder: Path) -> None:
    inputs = as_json(tensors(folder, ROWS))
    want = ask(price, {"inputs": inputs})[1]["outputs"]
    for tensor in inputs:
        width = tensor["shape"][1]
        cells = [None if cell != cell else cell for cell in tensor["data"]]
        tensor["data"] = [cells[place : place + width] for place in range(0, len(cells), width)]
    assert ask(price, {"inputs": inputs[::-1]})[1]["outputs"] == want
    empty = [tensor | {"shape": [0, tensor["shape"][1]], "data": []} for tensor in inputs]
    assert ask(price, {"inputs": empty})[1]["outputs"] == [
        {"name": "price_prediction", "datatype": "FP32", "shape": [0, 1], "data": []}
    ]


def test_a_version_in_the_path(price: TestClient, folder: Path) -> None:
    body = {"inputs": as_json(tensors(folder, ROWS))}
    assert ask(price, body, "/v2/models/house/versions/1/infer") == ask(price, body)
    assert ask(price, body, "/v2/models/house/versions/2/infer") == (
        404, {"error": "model 'house' has no version '2' here: it serves 1"},
    )  # fmt: skip
    assert ask(price, body, "/v2/models/b%C3%A4rn/infer") == (
        404, {"error": "unknown model 'bärn': this server answers for 'house'"},
    )  # fmt: skip


def test_compression(price: TestClient, folder: Path) -> None:
    body = json.dumps({"inputs": as_json(tensors(folder, ROWS))}).encode()
    want = ask(price, body)
    for name, pack in (("gzip", gzip.compress), ("GZIP", gzip.compress), ("deflate", zlib.compress)):
        assert ask(price, pack(body), content_encoding=name) == want
    assert ask(price, body, content_encoding="identity") == want
    assert ask(price, body, content_encoding="br") == (
        415, {"error": "this Content-Encoding is not read here: send gzip, deflate, or the plain body"},
    )  # fmt: skip
    for raw, detail in [
        (body, "the body is not gzip, as its Content-Encoding says"),
        (gzip.compress(body)[:-1], "the body's gzip ends before its end"),
        (gzip.compress(body) * 2, "the body goes on after the end of its gzip"),
    ]:
        assert ask(price, raw, content_encoding="gzip") == (400, {"error": detail})
    plain = price.post(
        "/predict", content=gzip.compress(b'{"records": [{"age": 1}]}'), headers={"Content-Encoding": "gzip"}
    )
    assert plain.json()["predictions"] == price.post("/predict", json={"records": [{"age": 1}]}).json()["predictions"]
