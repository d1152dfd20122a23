"""A real tritonserver for a test, with the stand-in for its onnxruntime backend; and clients of both of its doors."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.integrations.triton.placement import Placement
from {{ cookiecutter.project_slug }}.integrations.triton.server import Server
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.triton import TritonSettings

from deployment.triton.local.environment import FOLDER, VARIABLE, Installed, install
from tests.ports import free_ports
from tests.project import ROOT
from tests.servables import ROWS, expected, write_servable

BIAS = {1: 0.0, 2: 5.0, 3: 9.0}
"""What each version of `house` adds to the answers."""
CONTROL_KEY = "of-the-tests"  # pragma: allowlist secret
PATIENCE = 60
"""Seconds after which a server that does not come up is given up."""
CLIENTS = {"http": tritonclient.http, "grpc": tritonclient.grpc}


class Triton:
    """A server that is ready; what it writes is in `log`.

    Args:
        installed: where it is installed.
        repository: that it reads.
        options: further ones of tritonserver.
    """

    def __init__(self, installed: Installed, repository: Path, *options: str) -> None:
        repository.mkdir(parents=True, exist_ok=True)
        self.repository, self._log = repository, repository.with_name("triton.log")
        self.http, self.grpc = (f"127.0.0.1:{port}" for port in free_ports(2))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*installed.command(repository, self.http, self.grpc), *options],
                env=installed.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + PATIENCE
        while not _listens(self.http) or not _listens(self.grpc):
            assert self._process.poll() is None and time.monotonic() < deadline, self._log.read_text(errors="replace")
            time.sleep(0.05)

    def client(self, door: str = "http") -> Any:
        """A client of one of its doors."""
        return CLIENTS[door].InferenceServerClient(getattr(self, door))

    def server(self) -> Server:
        """What the verb talks to."""
        return Server(self.http, PATIENCE)

    def kill(self) -> None:
        """Kill it, and the processes that hold its models."""
        os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill it, if nobody has, and wait until it is gone."""
        self.kill()
        self._process.wait()


def installed() -> Installed:
    """The installed server; the test is skipped where it cannot be installed."""
    try:
        return install(Path(os.environ.get(VARIABLE) or ROOT / FOLDER))
    except UserError as error:
        pytest.skip(str(error))


@contextmanager
def running(repository: Path, *options: str) -> Iterator[Triton]:
    """A server that is killed in the end."""
    server = Triton(installed(), repository, *options)
    try:
        yield server
    finally:
        server.end()


@contextmanager
def of_all_stages(folder: Path) -> Iterator[dict[str, str]]:
    """A server for each stage, which asks for a key; as the secrets by which pipelines know them."""
    secrets = {}
    with ExitStack() as servers:
        for stage in ("staging", "prod"):
            restricted = f"--http-restricted-api=model-repository:control-key={CONTROL_KEY}"
            server = servers.enter_context(running(folder / stage / "models", restricted))
            secrets |= {
                f"triton_server_{stage}": server.http,
                f"triton_control_key_{stage}": CONTROL_KEY,
                f"triton_repository_{stage}": str(server.repository),
            }
        yield secrets


def settings(**changed: Any) -> TritonSettings:
    """Settings for a test."""
    values: dict[str, Any] = {
        "server": None, "control_key": None, "release": "26.08", "device": "cpu", "instances": 1, "max_batch_size": 1024,
        "queue_delay_us": 100, "seconds": PATIENCE,
    }  # fmt: skip
    return TritonSettings(**values | changed)


def placement(folder: Path, number: int, **changed: Any) -> Placement:
    """A servable as one version of its model."""
    return Placement(Engine(folder), number, settings(**changed))


def parsed(text: bytes) -> ModelConfig:
    """A configuration as Triton reads it."""
    return text_format.Parse(text.decode(), ModelConfig())


def ask(client: Any, name: str, feeds: Mapping[str, np.ndarray], **options: Any) -> tuple[str, dict[str, np.ndarray]]:
    """The version that answers, and its answers by output name, texts decoded; the same for both doors."""
    doors = {door.InferenceServerClient: door for door in CLIENTS.values()}
    door = doors[type(client)]
    inputs = []
    for column, array in feeds.items():
        tensor = door.InferInput(column, list(array.shape), "BYTES" if array.dtype == object else "FP64")
        tensor.set_data_from_numpy(array)
        inputs.append(tensor)
    result = client.infer(name, inputs, **options)
    said = result.get_response()
    if door is CLIENTS["http"]:
        version, outputs = said["model_version"], [output["name"] for output in said["outputs"]]
    else:
        version, outputs = said.model_version, [output.name for output in said.outputs]
    return version, {output: _decoded(result.as_numpy(output)) for output in outputs}


def houses(folder: Path) -> dict[int, Path]:
    """Servables of `house` by version, each with answers of its own."""
    return {number: write_servable(folder / str(number), bias=bias) for number, bias in BIAS.items()}


def feeds(engine: Engine) -> dict[str, np.ndarray]:
    """The rows of `tests.servables`, encoded."""
    return engine.encode({column.name: [row[column.name] for row in ROWS] for column in engine.contract.inputs})


def served(triton: Triton, folder: Path) -> int:
    """The version of `house` that answers a client who names none; its answers are its own."""
    version, got = ask(triton.client(), "house", feeds(Engine(folder)))
    want = expected(ROWS, bias=BIAS[int(version)])["price_prediction"]
    assert np.allclose(got["price_prediction"], want, rtol=1e-5)
    return int(version)


def check_closed(client: Any, name: str) -> None:
    """Who has no key may not unload the model, or touch the server's memory, traces and logs; the model is served."""
    for ask_for in (
        lambda: client.unload_model(name),
        client.get_model_repository_index,
        client.get_system_shared_memory_status,
        lambda: client.register_system_shared_memory("region", "/region", 8),
        client.get_trace_settings,
        lambda: client.update_trace_settings(settings={"trace_level": ["OFF"]}),
        client.get_log_settings,
        lambda: client.update_log_settings({"log_verbose_level": 1}),
    ):
        with pytest.raises(Exception, match="restricted"):
            ask_for()
    assert client.is_model_ready(name)


def _decoded(array: np.ndarray) -> np.ndarray:
    return np.vectorize(bytes.decode, otypes=[object])(array) if array.dtype == object else array


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0
