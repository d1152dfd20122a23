"""Refusals of the Open Inference Protocol: each is one line that says what is wrong."""

import zlib
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from deployment.api.app import create_app
from tests.oip import as_json, ask, changed, tensors
from tests.servables import CITY, ROWS, serving

NINE = "9" * 30
REFUSALS: list[tuple[Any, str]] = [
    (lambda _: [], "the request must be an object, not []"),
    (lambda _: {}, "the request: inputs must be a list, and is absent"),
    (lambda _: {"inputs": {}}, "the request: inputs must be a list, not {}"),
    (lambda _: {"inputs": [1]}, "an input must be an object, not 1"),
    (lambda i: {"inputs": i[1:]}, "missing input: 'age'"),
    (lambda i: {"inputs": [i[0], *i]}, "input 'age' is there twice"),
    (lambda i: {"inputs": i, "id": 7}, "the request: id must be text, not 7"),
    (lambda i: {"inputs": i, "parameters": []}, "the request: parameters must be an object, not []"),
    (lambda i: {"inputs": i, "parameters": {"binary_data_output": 1}},
     "parameters: binary_data_output must be true or false, not 1"),
    (lambda i: {"inputs": i, "outputs": [{"name": "cost"}]},
     "output 'cost' is none of this model: it has 'price_prediction'"),
    (lambda i: {"inputs": i, "outputs": [{"name": "price_prediction"}] * 2}, "output 'price_prediction' is there twice"),
    (lambda i: {"inputs": i, "outputs": [{"name": "price_prediction", "parameters": {"classification": 2}}]},
     "output 'price_prediction': classification is an extension that is not spoken here"),
    (changed("age", name="id"), "input 'id' is a key, and no input of the graph: GET the model's metadata for their names"),
    (changed("age", name="aeg"), "input 'aeg' is no input of this model: GET the model's metadata for their names"),
    (changed("age", datatype="FP32"), "input 'age' must be FP64, not 'FP32'"),
    (changed(CITY, datatype="FP64"), f"input {CITY!r} must be BYTES, not 'FP64'"),
    (changed("age", shape=[5]), "input 'age' must have the shape [rows, 1], not [5]"),
    (changed("age", shape=[5, 2]), "input 'age' must have the shape [rows, 1], not [5, 2]"),
    (changed("age", shape=[True, 1]), "input 'age' must have the shape [rows, 1], not [True, 1]"),
    (changed("age", shape=[-1, 1]), "input 'age' must have the shape [rows, 1], not [-1, 1]"),
    (changed("age", shape=[int(NINE), 1]), f"input 'age' must have the shape [rows, 1], not [{NINE}, 1]"),
    (changed("age", shape=[4, 1]), "input 'age' has 5 values, its shape says 4"),
    (changed("age", shape=[4, 1], data=[1] * 4), "input 'rooms per house' has 5 rows, input 'age' has 4"),
    (changed("age", data=None), "input 'age' must have either data or the parameter binary_data_size"),
    (changed("age", data="1"), "input 'age': data must be a list, not '1'"),
    (changed("age", data=[1, 2, "3", 4, 5]), "input 'age' must be a number, row 2 holds '3'"),
    (changed("age", data=[1, 2, 3, True, 5]), "input 'age' must be a number, row 3 holds true"),
    (changed("age", data=[1, 2, 3, 4, 10**400]), "input 'age' must be a finite number, row 4 holds more than FP64 can"),
    (changed("age", data=[1, 2, 3, 4, float("inf")]), "column 'age' must be a finite number, row 4 holds inf"),
    (changed("age", data=[1, None, 3, 4, 5]), "column 'age' may not be missing, row 1"),
    (changed("age", data=[1e39] * 5), "row 0 has no finite price_prediction: look for an input far from what training saw"),
    (changed(CITY, data=["a", "b", 3, "c", "d"]), f"input {CITY!r} must be text, row 2 holds 3"),
    (changed("rooms per house", data=[1, 2, 3.5, 4, 5]), "column 'rooms per house' must be an integer, row 2 holds 3.5"),
    (changed("is.new", data=[1, 0, 2, 0, 0]), "column 'is.new' must be true or false, row 2 holds 2.0"),
    (changed("history", data=[[1, 2, 3]] * 4 + [[1, 2]]),
     "input 'history' has data that are not 5 lists of 3, as its shape says"),
    (changed("age", parameters={"binary_data_size": 40}),
     "input 'age' must have either data or the parameter binary_data_size"),
    (changed("age", data=None, parameters={"binary_data_size": 40}),
     "input 'age' should have 40 bytes after the JSON, 0 are left"),
    (changed("age", data=None, parameters={"shared_memory_region": "x"}),
     "input 'age' lies in shared memory, which is not read here: send the tensor"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "error"), REFUSALS)
def test_refusals(price: TestClient, folder: Path, change: Any, error: str) -> None:
    assert ask(price, change(as_json(tensors(folder, ROWS)))) == (400, {"error": error})


def test_a_compression_bomb_is_not_unpacked(folder: Path) -> None:
    client = TestClient(create_app(serving(folder, max_body_bytes=100_000)))
    bomb = zlib.compress(bytes(50_000_000), 9)
    assert len(bomb) < 100_000
    assert ask(client, bomb, content_encoding="deflate") == (
        413, {"error": "the body inflates to more than 100000 bytes: send fewer rows at a time"},
    )  # fmt: skip


def test_limits_are_those_of_all(folder: Path) -> None:
    client = TestClient(create_app(serving(folder, max_rows=3, api_keys="secret")))
    asked = {"inputs": as_json(tensors(folder, ROWS))}
    status, answer = ask(client, asked)
    assert (status, set(answer)) == (401, {"error"})
    assert ask(client, asked, X_API_Key="secret") == (  # pragma: allowlist secret
        413, {"error": "the request has 5 rows, 3 are allowed: send fewer at a time"},
    )  # fmt: skip
