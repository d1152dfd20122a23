"""The same rows through every dialect: what JSON, bytes and MLflow's format cost at one row and at 1,000 rows.

The default experiment (nine numbers and a category of two levels) and the default model, served as they ship; then
tensors as JSON and as bytes once more on a wide table, the 30 measurements of the experiment `breast_cancer` with its
linear model. One row a request: 16 connections. 1,000 rows a request: 2. Peers: `mlflow models serve` on the same
requests as `/invocations`; and the real tritonserver with the stand-in for its onnxruntime backend, which answers one
request after another in Python: it shows what Triton's doors cost, not how fast Triton is.
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

from measuring import NO_GOAL, in_project, in_turns, median, note, ratio, row
from serving import PEERS, RECORD, free_port, process, product

BATCH = 1_000
CONNECTIONS = {1: 16, BATCH: 2}
JSON = {"Content-Type": "application/json"}
Rows = list[dict[str, Any]]
Request = tuple[bytes, Mapping[str, str]]
"""A body, and the headers that go with it."""


@dataclass(frozen=True)
class Door:
    """A way to ask: a server's port, a path, a request of so many rows."""

    port: int
    path: str
    request: Callable[[Rows], Request]
    peer: str = "load.py"
    """What asks, of `peers/`."""


def records(field: str) -> Callable[[Rows], Request]:
    """A body of records under a name."""
    return lambda rows: (json.dumps({field: rows}).encode(), JSON)


def columns(rows: Rows) -> Request:
    """The body of `/predict` by column."""
    return json.dumps({"columns": {name: [one[name] for one in rows] for name in rows[0]}}).encode(), JSON


def tensors(output: str, binary: bool) -> Callable[[Rows], Request]:
    """What tritonclient sends to have one output back, with an answer of the same kind."""

    def request(rows: Rows) -> Request:
        import numpy as np
        from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

        inputs = []
        for name, typical in rows[0].items():
            text = isinstance(typical, str)
            array = np.array([[one[name]] for one in rows], object if text else np.float64)
            tensor = InferInput(name, list(array.shape), "BYTES" if text else "FP64")
            inputs.append(tensor.set_data_from_numpy(array, binary_data=binary))
        outputs = [InferRequestedOutput(output, binary_data=binary)]
        body, length = InferenceServerClient.generate_request_body(inputs, outputs=outputs)
        return body, JSON if length is None else {"Inference-Header-Content-Length": str(length)}

    return request


def protobuf(rows: Rows) -> Request:
    """What Triton's gRPC client sends."""
    import numpy as np
    from tritonclient.grpc.service_pb2 import ModelInferRequest
    from tritonclient.utils import serialize_byte_tensor

    request = ModelInferRequest(model_name="benchmarked")
    for name, typical in rows[0].items():
        text = isinstance(typical, str)
        array = np.array([[one[name]] for one in rows], object if text else np.float64)
        request.inputs.add(name=name, datatype="BYTES" if text else "FP64", shape=array.shape)
        request.raw_input_contents.append(serialize_byte_tensor(array).item() if text else array.tobytes())
    return request.SerializeToString(), {}


def patients(count: int) -> Rows:
    """Rows of the default experiment's table."""
    return [RECORD | {"bmi": 20 + 15 * place / count, "age": 20 + place % 60} for place in range(count)]


def nuclei(count: int) -> Rows:
    """Rows of the experiment `breast_cancer`, those of scikit-learn's table again and again."""
    from sklearn.datasets import load_breast_cancer

    table = load_breast_cancer()
    names = [str(name) for name in table["feature_names"]]
    return [dict(zip(names, table["data"][place % len(table["data"])].tolist(), strict=True)) for place in range(count)]


def load(door: Door, rows: Rows, seconds: float) -> dict[str, Any]:
    """What the load of `peers/` found at one door."""
    count = len(rows)
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
    """Train two models, start the servers, and ask each in turn."""
    from benchmarked.cli.train import train
    from benchmarked.utils.verb import compose

    train(compose("train", ["progress=false"]))
    train(compose("train", ["progress=false", "experiment=breast_cancer"]))
    binaries, (own, wide, mlflow, http, grpc) = str(Path(sys.executable).parent), (free_port() for _ in range(5))
    serve = [f"{binaries}/mlflow", "models", "serve", "--env-manager", "local"]
    serve += ["--model-uri", "models:/benchmarked@dev"]
    infer, output = "/v2/models/benchmarked/infer", "progression_prediction"
    doors = {
        "/predict, records": Door(own, "/predict", records("records")),
        "/predict, columns": Door(own, "/predict", columns),
        "/v2, JSON": Door(own, infer, tensors(output, binary=False)),
        "/v2, bytes": Door(own, infer, tensors(output, binary=True)),
        "/invocations": Door(own, "/invocations", records("dataframe_records")),
        "Triton's stand-in, HTTP, bytes": Door(http, infer, tensors(output, binary=True)),
        "Triton's stand-in, gRPC": Door(grpc, "/inference.GRPCInferenceService/ModelInfer", protobuf, "grpc_load.py"),
        "`mlflow models serve`": Door(mlflow, "/invocations", records("dataframe_records")),
    }
    infer, output = "/v2/models/breast_cancer/infer", "diagnosis_probabilities"
    of_30_numbers = {
        "/v2, JSON": Door(wide, infer, tensors(output, binary=False)),
        "/v2, bytes": Door(wide, infer, tensors(output, binary=True)),
    }
    with ExitStack() as servers:
        servers.enter_context(product(own))
        servers.enter_context(product(wide, "serving.reference=models:/breast_cancer@dev"))
        servers.enter_context(triton(http, grpc))
        servers.enter_context(
            process(
                [*serve, "--port", str(mlflow)], f"http://127.0.0.1:{mlflow}/ping",
                PATH=os.pathsep.join((binaries, os.environ["PATH"])),
                MLFLOW_TRACKING_URI=f"sqlite:///{Path('mlflow.db').resolve()}",
            )
        )  # fmt: skip
        for count in CONNECTIONS:
            compare("", doors, patients(count), seconds, rounds)
        compare("30 numbers, ", of_30_numbers, nuclei(BATCH), seconds, rounds)


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


def compare(what: str, doors: Mapping[str, Door], rows: Rows, seconds: float, rounds: int) -> None:
    """All doors in turns with the same rows in a request, and a row of the table for each."""
    count = len(rows)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in doors}

    def ask(name: str) -> float:
        found[name].append(load(doors[name], rows, seconds))
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
            f"{what}{name}, {count:,} row{'s' if count > 1 else ''} a request: requests/s",
            median(speeds, 0),
            f"≥ {times} × {floor}" if floor else NO_GOAL,
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
