"""The Open Inference Protocol, asked by the client that Triton's users have: JSON, bytes, compression, refusals."""

import gzip
import json
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from {{ cookiecutter.project_slug }}.inference.engine import Engine

from deployment.api.app import create_app
from deployment.api.dialects.oip_answers import packed
from deployment.api.dialects.oip_bytes import texts
from tests.project import make_project, store
from tests.servables import CITY, CLASSES, COLUMNS, ROWS, expected, serving, write_servable
from tests.servers import PATIENCE, Server, register, running

INPUTS = [column for column in COLUMNS if column.role != "key"]
INFER = "/v2/models/house/infer"
LENGTH = "Inference-Header-Content-Length"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_servable(tmp_path_factory.mktemp("servables") / "price")


@pytest.fixture(scope="module")
def price(folder: Path) -> TestClient:
    return TestClient(create_app(serving(folder)), raise_server_exceptions=False)


def tensors(folder: Path, rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Rows in the wire encoding: what a client of the protocol sends."""
    return Engine(folder).encode({column.name: [row[column.name] for row in rows] for column in INPUTS})


def as_json(arrays: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "datatype": "FP64" if array.dtype.kind == "f" else "BYTES",
            "shape": list(array.shape),
            "data": array.reshape(-1).tolist(),
        }
        for name, array in arrays.items()
    ]


def as_bytes(arrays: dict[str, np.ndarray]) -> tuple[bytes, bytes]:
    """JSON and the bytes after it, of a request for answers in bytes."""
    inputs, chunks = as_json(arrays), []
    for tensor in inputs:
        del tensor["data"]
        chunks.append(packed(arrays[tensor["name"]], tensor["datatype"]))
        tensor["parameters"] = {"binary_data_size": len(chunks[-1])}
    document = {"inputs": inputs, "parameters": {"binary_data_output": True}}
    return json.dumps(document).encode(), b"".join(chunks)


def ask(client: TestClient, content: Any, path: str = INFER, **headers: str) -> tuple[int, Any]:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    response = client.post(path, content=raw, headers={key.replace("_", "-"): text for key, text in headers.items()})
    return response.status_code, response.json()


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = make_project(tmp_path_factory.mktemp("project"))
    with running(project, f"serving.reference={folder}", "serving.max_body_bytes=10000000") as process:
        yield process.listening()


@pytest.fixture
def theirs(server: Server) -> Iterator[Any]:
    from tritonclient.http import InferenceServerClient

    with InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        yield client


def given_inputs(arrays: dict[str, np.ndarray], binary: bool) -> list[Any]:
    from tritonclient.http import InferInput

    inputs = []
    for name, array in arrays.items():
        tensor = InferInput(name, list(array.shape), "FP64" if array.dtype.kind == "f" else "BYTES")
        inputs.append(tensor.set_data_from_numpy(array, binary_data=binary))
    return inputs


@pytest.mark.slow
def test_what_tritonclient_asks_of_a_server(theirs: Any) -> None:
    from tritonclient.utils import InferenceServerException

    assert theirs.is_server_live()
    assert theirs.is_server_ready()
    assert theirs.is_model_ready("house")
    assert theirs.is_model_ready("house", "1")
    assert not theirs.is_model_ready("barn")
    assert not theirs.is_model_ready("house", "2")
    assert set(theirs.get_server_metadata()) == {"name", "version", "extensions"}
    assert theirs.get_server_metadata()["extensions"] == ["binary_tensor_data", "model_configuration"]
    types = {column.name: "BYTES" if column.kind == "category" else "FP64" for column in INPUTS}
    assert theirs.get_model_metadata("house", "1") == {
        "name": "house",
        "versions": ["1"],
        "platform": "onnxruntime_onnx",
        "inputs": [
            {"name": column.name, "datatype": types[column.name], "shape": [-1, column.width]} for column in INPUTS
        ],
        "outputs": [{"name": "price_prediction", "datatype": "FP32", "shape": [-1, 1]}],
    }
    config = theirs.get_model_config("house")
    assert [(given["name"], given["dims"]) for given in config["input"]] == [(c.name, [c.width]) for c in INPUTS]
    assert {given["data_type"] for given in config["input"]} == {"TYPE_FP64", "TYPE_STRING"}
    assert config["max_batch_size"] == 10_000
    with pytest.raises(InferenceServerException) as caught:
        theirs.get_model_metadata("barn")
    assert str(caught.value) == "[404] unknown model 'barn': this server answers for 'house'"


@pytest.mark.slow
@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False, None])
@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_what_tritonclient_infers(
    theirs: Any, folder: Path, binary_in: bool, binary_out: bool | None, compression: str | None
) -> None:
    from tritonclient.http import InferRequestedOutput

    wanted = None if binary_out is None else [InferRequestedOutput("price_prediction", binary_data=binary_out)]
    for count in (1, len(ROWS), 1_000):
        rows = (ROWS * 200)[:count]
        arrays = tensors(folder, rows)
        result = theirs.infer(
            "house",
            given_inputs(arrays, binary_in),
            outputs=wanted,
            request_id="seven",
            request_compression_algorithm=compression,
        )
        got = result.as_numpy("price_prediction")
        assert (got.shape, got.dtype) == ((count, 1), np.float32)
        assert (got == Engine(folder).run(arrays)["price_prediction"]).all() or count == 1
        np.testing.assert_allclose(got, expected(rows)["price_prediction"], rtol=1e-5)
        answer = result.get_response()
        assert (answer["model_name"], answer["model_version"], answer["id"]) == ("house", "1", "seven")


@pytest.mark.slow
def test_what_tritonclient_is_refused(theirs: Any, folder: Path) -> None:
    from tritonclient.utils import InferenceServerException

    arrays = tensors(folder, ROWS)
    arrays["age"][3, 0] = np.inf
    with pytest.raises(InferenceServerException) as caught:
        theirs.infer("house", given_inputs(arrays, binary=True))
    assert str(caught.value) == "[400] column 'age' must be a finite number, row 3 holds inf"
    arrays["age"][3, 0] = np.nan
    for binary in (True, False):
        with pytest.raises(InferenceServerException) as caught:
            theirs.infer("house", given_inputs(arrays, binary))
        assert str(caught.value) == "[400] column 'age' may not be missing, row 3"


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


def changed(name: str, /, **fields: Any) -> Any:
    """A request with one input's fields replaced; None takes a field away."""

    def change(inputs: list[dict[str, Any]]) -> Any:
        tensor = next(tensor for tensor in inputs if tensor["name"] == name)
        tensor |= fields
        for field in [field for field, value in fields.items() if value is None]:
            del tensor[field]
        return {"inputs": inputs}

    return change


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


def test_bytes_that_lie(price: TestClient, folder: Path) -> None:
    head, tail = as_bytes(tensors(folder, ROWS))
    whole, length = head + tail, len(head)
    assert price.post(INFER, content=whole, headers={LENGTH: str(length)}).status_code == 200

    def refused(body: bytes, given: object) -> str:
        status, answer = ask(price, body, inference_header_content_length=str(given))
        assert status == 400
        return str(answer["error"])

    assert refused(whole[:-1], length) == "input 'income' should have 40 bytes after the JSON, 39 are left"
    assert refused(whole + b"x", length) == "1 bytes are left after the last tensor: check the sizes of the inputs"
    for odd in (0, -1, len(whole) + 1, "x", "1e3", "9" * 40, ""):
        assert refused(whole, odd).startswith("Inference-Header-Content-Length must be between 1 and the ")
    for odd in (1, length - 1, length + 1):
        assert refused(whole, odd).startswith("the request is not JSON: ")
    inputs = as_json(tensors(folder, ROWS))
    for size, detail in [
        (True, "input 'age': binary_data_size must be a number of bytes, not true"),
        (-8, "input 'age': binary_data_size must be a number of bytes, not -8"),
        (39, "input 'age' has 39 bytes, its shape says 40"),
        (41, "input 'age' should have 41 bytes after the JSON, 40 are left"),
    ]:
        document = changed("age", data=None, parameters={"binary_data_size": size})([dict(i) for i in inputs])
        raw = json.dumps(document).encode()
        assert refused(raw + tail[: min(40, int(size)) if size == 39 else 40], len(raw)) == detail
    document = changed(CITY, data=None, parameters={"binary_data_size": 12})([dict(i) for i in inputs])
    raw = json.dumps(document).encode()
    for chunk, detail in [
        (b"\x04\0\0\0abcd\x05\0\0\0", "ends within value 1: send a length of four bytes, then the text"),
        (b"\xff\xff\xff\xffabcdabcd", "ends within value 0: send a length of four bytes, then the text"),
        (b"\0\0\0\0\x04\0\0\0abcd", "has 2 values, its shape says 5"),
    ]:
        assert refused(raw + chunk, len(raw)) == f"input {CITY!r} {detail}"
    document = changed(CITY, data=None, parameters={"binary_data_size": 25})([dict(i) for i in inputs])
    raw = json.dumps(document).encode()
    chunk = b"\x01\0\0\0a" * 4 + b"\x01\0\0\0\xff"
    assert refused(raw + chunk, len(raw)) == f"input {CITY!r} must be UTF-8, value 4 is " + r"b'\xff'"


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
    assert ask(client, asked, X_API_Key="secret") == (
        413, {"error": "the request has 5 rows, 3 are allowed: send fewer at a time"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def halves(folder: Path) -> tuple[bytes, bytes]:
    """A request that is answered: its JSON, and the bytes after it."""
    return as_bytes(tensors(folder, ROWS))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cut=st.integers(0, 2_000),
    patch=st.binary(max_size=60),
    at=st.integers(0, 2_000),
    length=st.one_of(st.none(), st.integers(-5, 5), st.integers(0, 2_000).map(lambda n: 10_000 + n)),
)
def test_any_bytes_are_answered_or_refused(
    price: TestClient, halves: tuple[bytes, bytes], cut: int, patch: bytes, at: int, length: int | None
) -> None:
    """A request with a piece cut out, other bytes put in, and a header that may lie."""
    head, tail = halves
    whole = head + tail
    odd = whole[:at] + patch + whole[at + cut :]
    given = len(head) + (length or 0) if length is None or length < 10_000 else length - 10_000
    response = price.post(INFER, content=odd, headers={LENGTH: str(given)})
    assert response.status_code in (200, 400)
    if response.status_code == 400:
        assert len(response.json()["error"].splitlines()) == 1


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=8), max_size=20))
def test_texts_survive_the_way_there_and_back(given: list[str]) -> None:
    chunk = packed(np.array(given, object).reshape(-1, 1), "BYTES")
    assert texts(chunk, len(given), "input 'x'") == given


def test_the_client_packs_as_we_do() -> None:
    utils = pytest.importorskip("tritonclient.utils")
    cells = np.array([["größe"], [""], ["日本"], ["a" * 300]], object)
    assert packed(cells, "BYTES") == utils.serialize_byte_tensor(cells).item()
