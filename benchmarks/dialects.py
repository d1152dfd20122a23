"""The same rows through every dialect: what JSON, bytes and MLflow's format cost at one row and at 1,000 rows.

The default experiment (nine numbers and a category of two levels) and the default model, served as they ship. One row a
request: 16 connections. 1,000 rows a request: 2. Peers: `mlflow models serve` on the same requests as `/invocations`;
and the real tritonserver with the stand-in for its onnxruntime backend, which answers one request after another in
Python: it shows what Triton's doors cost, not how fast Triton is.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring import in_project, in_turns, median, note, ratio, row
from serving import PEERS, RECORD, free_port, process, product

BATCH = 1_000
CONNECTIONS = {1: 16, BATCH: 2}
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Door:
    """A way to ask: a server's port, a path, headers, and a body for so many rows."""

    port: int
    path: str
    request: Callable[[list[dict[str, Any]]], tuple[bytes, Mapping[str, str]]]
    peer: str = "load.py"
    """What asks, of `peers/`."""


def records(field: str) -> Callable[[list[dict[str, Any]]], tuple[bytes, Mapping[str, str]]]:
    """A body of records under a name."""
    return lambda rows: (json.dumps({field: rows}).encode(), JSON)


def columns(rows: list[dict[str, Any]]) -> tuple[bytes, Mapping[str, str]]:
    """The body of `/predict` by column."""
    return json.dumps({"columns": {name: [one[name] for one in rows] for name in RECORD}}).encode(), JSON


def tensors(binary: bool) -> Callable[[list[dict[str, Any]]], tuple[bytes, Mapping[str, str]]]:
    """What tritonclient sends, with answers of the same kind."""

    def request(rows: list[dict[str, Any]]) -> tuple[bytes, Mapping[str, str]]:
        import numpy as np
        from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

        inputs = []
        for name, typical in RECORD.items():
            text = isinstance(typical, str)
            array = np.array([[one[name]] for one in rows], object if text else np.float64)
            tensor = InferInput(name, list(array.shape), "BYTES" if text else "FP64")
            inputs.append(tensor.set_data_from_numpy(array, binary_data=binary))
        outputs = [InferRequestedOutput("progression_prediction", binary_data=binary)]
        body, length = InferenceServerClient.generate_request_body(inputs, outputs=outputs)
        return body, JSON if length is None else {"Inference-Header-Content-Length": str(length)}

    return request


def protobuf(rows: list[dict[str, Any]]) -> tuple[bytes, Mapping[str, str]]:
    """What Triton's gRPC client sends."""
    import numpy as np
    from tritonclient.grpc.service_pb2 import ModelInferRequest
    from tritonclient.utils import serialize_byte_tensor

    request = ModelInferRequest(model_name="benchmarked")
    for name, typical in RECORD.items():
        text = isinstance(typical, str)
        array = np.array([[one[name]] for one in rows], object if text else np.float64)
        request.inputs.add(name=name, datatype="BYTES" if text else "FP64", shape=array.shape)
        request.raw_input_contents.append(serialize_byte_tensor(array).item() if text else array.tobytes())
    return request.SerializeToString(), {}


def load(door: Door, count: int, seconds: float) -> dict[str, Any]:
    """What the load of `peers/` found at one door."""
    rows = [RECORD | {"bmi": 20 + 15 * place / count, "age": 20 + place % 60} for place in range(count)]
    body, headers = door.request(rows)
    file = Path("body.bin")
    file.write_bytes(body)
    command = [sys.executable, str(PEERS / door.peer), str(door.port), str(file), "--path", door.path]
    command += ["--seconds", str(seconds), "--connections", str(CONNECTIONS[count]), "--headers", json.dumps(headers)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    if set(found["statuses"]) != {"200"}:
        sys.exit(f"{door.path} of port {door.port} answered {found['statuses']}")
    note(f"{door.path}, {count} rows: {found['per_second']:.0f}/s, p50 {found['p50']:.2f}, p99 {found['p99']:.2f} ms")
    return found


def main(seconds: float, rounds: int) -> None:
    """Train the default model, start the servers, and ask each in turn."""
    from benchmarked.cli.train import train
    from benchmarked.utils.verb import compose

    train(compose("train", ["progress=false"]))
    binaries, (own, mlflow, http, grpc) = str(Path(sys.executable).parent), (free_port() for _ in range(4))
    serve = [f"{binaries}/mlflow", "models", "serve", "--env-manager", "local"]
    serve += ["--model-uri", "models:/benchmarked@dev"]
    infer = "/v2/models/benchmarked/infer"
    doors = {
        "/predict, records": Door(own, "/predict", records("records")),
        "/predict, columns": Door(own, "/predict", columns),
        "/v2, JSON": Door(own, infer, tensors(binary=False)),
        "/v2, bytes": Door(own, infer, tensors(binary=True)),
        "/invocations": Door(own, "/invocations", records("dataframe_records")),
        "Triton's stand-in, HTTP, bytes": Door(http, infer, tensors(binary=True)),
        "Triton's stand-in, gRPC": Door(grpc, "/inference.GRPCInferenceService/ModelInfer", protobuf, "grpc_load.py"),
        "`mlflow models serve`": Door(mlflow, "/invocations", records("dataframe_records")),
    }
    with ExitStack() as servers:
        servers.enter_context(product(own))
        servers.enter_context(triton(http, grpc))
        servers.enter_context(
            process(
                [*serve, "--port", str(mlflow)], f"http://127.0.0.1:{mlflow}/ping",
                PATH=os.pathsep.join((binaries, os.environ["PATH"])),
                MLFLOW_TRACKING_URI=f"sqlite:///{Path('mlflow.db').resolve()}",
            )
        )  # fmt: skip
        for count in CONNECTIONS:
            compare(doors, count, seconds, rounds)


@contextmanager
def triton(http: int, grpc: int) -> Iterator[None]:
    """The local tritonserver, brought to the version under `dev`."""
    from benchmarked.cli.triton import triton as verb
    from benchmarked.utils.verb import compose

    addresses = ["--http", f"127.0.0.1:{http}", "--grpc", f"127.0.0.1:{grpc}"]
    command = [sys.executable, "-m", "deployment.triton.local", "--repository", "outputs/triton", *addresses]
    with process(command, f"http://127.0.0.1:{http}/v2/health/live"):
        verb(compose("triton", ["reference=models:/benchmarked@dev", "sync=true", f"server=127.0.0.1:{http}"]))
        yield


def compare(doors: Mapping[str, Door], count: int, seconds: float, rounds: int) -> None:
    """All doors in turns at so many rows a request, and a row of the table for each."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in doors}

    def ask(name: str) -> float:
        found[name].append(load(doors[name], count, seconds))
        return float(found[name][-1]["per_second"])

    measured = dict(zip(doors, in_turns(rounds, *[lambda name=name: ask(name) for name in doors]), strict=True))
    goals = {
        (1, "/invocations"): ("`mlflow models serve`", 6),
        (BATCH, "/v2, bytes"): ("/v2, JSON", 5),
    }
    for name, speeds in measured.items():
        p50, p99 = ([one[key] for one in found[name][1:]] for key in ("p50", "p99"))
        floor, times = goals.get((count, name), ("", 0))
        share = ratio(speeds, measured[floor]) if floor else 0.0
        row(
            f"{name}, {count:,} row{'s' if count > 1 else ''} a request: requests/s",
            median(speeds, 0),
            f"≥ {times} × {floor}" if floor else "\N{EN DASH}",
            share >= times,
            f"{f'{share:.1f} × it; ' if floor else ''}{median([count * one for one in speeds], 0)} rows/s, "
            f"p50 {median(p50)} ms, p99 {median(p99)} ms",
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="of one run of the load (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="counted runs of each (default: %(default)s)")
    options = parser.parse_args()
    in_project(lambda: main(options.seconds, options.rounds), "use_triton=true")
