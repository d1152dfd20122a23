"""The client that Triton's users have, before a process of the service."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from {{ cookiecutter.project_slug }}.inference.engine import Engine

from deployment.api.dialects.oip_answers import packed
from tests.oip import INPUTS, tensors
from tests.project import make_project
from tests.servables import ROWS, expected
from tests.servers import Server, running


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


def test_the_client_packs_as_we_do() -> None:
    utils = pytest.importorskip("tritonclient.utils")
    cells = np.array([["größe"], [""], ["日本"], ["a" * 300]], object)
    assert packed(cells, "BYTES") == utils.serialize_byte_tensor(cells).item()
