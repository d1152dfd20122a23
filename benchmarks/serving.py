"""How fast is the HTTP service as it ships, what do swaps and overload cost, and how large is it?

Validation, metrics, request ids and a JSON log line per request are on. Floor: Starlette, orjson and onnxruntime on the
same graph, without any of that (`peers/bare.py`). Peer: `mlflow models serve`. One worker each; the load comes from a
process of its own (`peers/load.py`).
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

from measuring import in_project, in_turns, median, note, ratio, row

PEERS = Path(__file__).parent / "peers"
RECORD = {
    "age": 48, "sex": "1", "bmi": 26.4, "bp": 95, "s1": 189, "s2": 115, "s3": 50, "s4": 4, "s5": 4.6, "s6": 91,
}  # fmt: skip
CONNECTIONS = 16
SWAPS, SWAP_SECONDS = 20, 60
MEGABYTES = 200


def free_port() -> int:
    """A port of the loopback address that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def process(
    command: Sequence[str], ready: str, cwd: Path | None = None, **extra: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A server that answers at the address `ready`; its log is a file."""
    with Path("server.log").open("ab") as log:
        running = subprocess.Popen(command, cwd=cwd, env=os.environ | extra, stdout=log, stderr=log)
    try:
        for _ in range(1200):
            try:
                urllib.request.urlopen(ready, timeout=5)
                break
            except urllib.error.HTTPError as error:
                if error.code in (404, 405):
                    break
            except OSError:
                pass
            if running.poll() is not None:
                sys.exit(f"{' '.join(command)} ended: see {Path('server.log').resolve()}")
            time.sleep(0.1)
        yield running
    finally:
        running.kill()
        running.wait()


@contextmanager
def product(port: int, *overrides: str, python: str = sys.executable) -> Iterator[subprocess.Popen[bytes]]:
    """The service as `make serve` starts it, with JSON lines."""
    command = [python, "-m", "deployment.api", f"serving.port={port}", "logging=json", *overrides]
    with process(command, f"http://127.0.0.1:{port}/health/ready") as running:
        yield running


def load(
    port: int,
    seconds: float,
    connections: int = CONNECTIONS,
    path: str = "/predict",
    answers: dict[str, str] | None = None,
    patient: bool = False,
    key: str = "",
) -> dict[str, Any]:
    """What `peers/load.py` found; anything but 200 and 503 ends the benchmark."""
    body = {"dataframe_records" if path == "/invocations" else "records": [RECORD]}
    file = Path(f"body{path.replace('/', '-')}.json")
    file.write_text(json.dumps(body))
    command = [sys.executable, str(PEERS / "load.py"), str(port), str(file), "--path", path]
    words = ["--seconds", str(seconds), "--connections", str(connections), "--answers", json.dumps(answers or {})]
    command += [*words, "--patient"] if patient else words
    command += ["--headers", json.dumps({"Content-Type": "application/json", "X-API-Key": key})] if key else []
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout)
    if set(found["statuses"]) - {"200", "503"}:
        sys.exit(f"port {port} answered {found['statuses']}")
    note(f"{path} of port {port}: {found['per_second']:.0f}/s, p99 {found['p99']:.1f} ms, {found['statuses']}")
    return found


def per_second(port: int, seconds: float, path: str = "/predict") -> float:
    """Answers with 200."""
    return float(load(port, seconds, path=path)["per_second"])


def throughput(graph: Path, seconds: float, rounds: int) -> None:
    """The service inline and in the pool, the floor and the peer, in turns."""
    inline, pool, bare, mlflow = (free_port() for _ in range(4))
    binaries = str(Path(sys.executable).parent)
    uvicorn = [sys.executable, "-m", "uvicorn", "bare:app", "--port", str(bare), "--no-access-log"]
    serve = [
        f"{binaries}/mlflow",
        "models",
        "serve",
        "--model-uri",
        "models:/benchmarked@dev",
        "--env-manager",
        "local",
    ]
    with (
        product(inline, "serving.inline_ms=1000"),
        product(pool, "serving.inline_ms=0"),
        process(uvicorn, f"http://127.0.0.1:{bare}/predict", PEERS, BARE_GRAPH=str(graph)),
        process(
            [*serve, "--port", str(mlflow)], f"http://127.0.0.1:{mlflow}/ping",
            PATH=os.pathsep.join((binaries, os.environ["PATH"])),
            MLFLOW_TRACKING_URI=f"sqlite:///{Path('mlflow.db').resolve()}",
        ),
    ):  # fmt: skip
        inlines, pools, bares, peers = in_turns(
            rounds,
            lambda: per_second(inline, seconds),
            lambda: per_second(pool, seconds),
            lambda: per_second(bare, seconds),
            lambda: per_second(mlflow, seconds, "/invocations"),
        )
    floor = f"Starlette + orjson + onnxruntime, {median(bares, 0)}"
    for where, measured, goal in (("in the event loop", inlines, 0.6), ("in the pool", pools, 0.3)):
        share = ratio(measured, bares)
        row(
            f"/predict, one row, {CONNECTIONS} connections, inference {where}, requests/s",
            median(measured, 0),
            f"≥ {goal} × the floor",
            share >= goal,
            f"{share:.2f} × {floor}",
        )
    times = ratio(inlines, peers)
    row("/predict against `mlflow models serve`", f"{times:.1f} ×", "≥ 7 ×", times >= 7, f"it: {median(peers, 0)}/s")


def swaps(answers: dict[str, str]) -> None:
    """Move the alias to and fro under load; every answer must be that of the version that it names."""
    from benchmarked.integrations.mlflow_registry import MlflowRegistry

    registry = MlflowRegistry("sqlite:///mlflow.db")
    versions = [registry.find(f"models:/benchmarked/{number}") for number in answers]
    port, found = free_port(), {}
    with product(port, "serving.poll_seconds=0.2") as server:
        swapped = metric(port, 'serving_swaps_total{result="swapped"}')

        def ask() -> None:
            found.update(load(port, SWAP_SECONDS, answers=answers))

        asking = Thread(target=ask)
        asking.start()
        for move in range(SWAPS):
            registry.set_alias(versions[move % 2], "dev")
            time.sleep((SWAP_SECONDS - 2) / SWAPS)
        asking.join()
        swapped = metric(port, 'serving_swaps_total{result="swapped"}') - swapped
        assert server.poll() is None
    failed = sum(found["statuses"].values()) - found["statuses"]["200"]
    row(
        f"{SWAPS} swaps under load in {SWAP_SECONDS} s: failed and wrong answers",
        f"{failed} and {found['wrong']} of {sum(found['statuses'].values())}; {swapped:.0f} swaps",
        "0 and 0",
        failed == 0 and found["wrong"] == 0 and swapped >= SWAPS - 1,
        f"p99 {found['p99']:.1f} ms",
    )


def metric(port: int, name: str) -> float:
    """A value of /metrics."""
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
    return float(next(line for line in text.splitlines() if line.startswith(name)).split()[-1])


def overload(seconds: float, rounds: int) -> None:
    """As many connections as places, and ten times as many that do and do not wait as they are told, in turns."""
    port = free_port()
    crowd = 10 * CONNECTIONS
    with product(port, f"serving.max_in_flight={CONNECTIONS}"):
        found = [
            (load(port, seconds), load(port, seconds, crowd, patient=True), load(port, seconds, crowd))
            for _ in range(rounds + 1)
        ][1:]
    at, patient, hasty = ([one["p99"] for one in column] for column in zip(*found, strict=True))
    slower = ratio(patient, at)
    refused = [one["refused_p50"] or 0.0 for _, one, _ in found]
    share = statistics.median(one["statuses"].get("503", 0) / sum(one["statuses"].values()) for _, _, one in found)
    row(
        f"overload, {crowd} connections for {CONNECTIONS} places, Retry-After heeded: p99 of accepted requests, ms",
        median(patient, 1),
        "≤ 3 × that at capacity",
        slower <= 3,
        f"{slower:.1f} × {median(at, 1)}, refused in {median(refused, 1)} ms; {ratio(hasty, at):.1f} × where all ask "
        f"again at once ({share:.0%} refused)",
    )


def resident() -> None:
    """Memory of the service in an environment that can only serve, after requests."""
    uv, wheels = str(shutil.which("uv")), os.environ.get("PIP_FIND_LINKS")
    sources = {"UV_NO_SOURCES": "1", "UV_FIND_LINKS": wheels} if wheels else {}
    with TemporaryDirectory() as name:
        python = f"{name}/venv/bin/python"
        for command in ([uv, "venv", f"{name}/venv"], [uv, "pip", "install", "--python", python, ".[api]"]):
            subprocess.run(command, check=True, env=os.environ | sources, stdout=sys.stderr)
        port = free_port()
        with product(port, python=python) as server:
            load(port, 3)
            status = Path(f"/proc/{server.pid}/status").read_text()
    megabytes = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024 / 1e6
    row(
        "resident memory of the service, default model, registry's client loaded, MB",
        f"{megabytes:.0f}",
        f"≤ {MEGABYTES}",
        megabytes <= MEGABYTES,
    )


def main(seconds: float, rounds: int, only: list[str]) -> None:
    """Train two versions of the default model, then measure."""
    from benchmarked.cli.train import train
    from benchmarked.inference.engine import Engine
    from benchmarked.integrations.mlflow_registry import MlflowRegistry
    from benchmarked.utils.verb import compose

    registry, answers, graph = MlflowRegistry("sqlite:///mlflow.db", Path("outputs/benchmark")), {}, Path()
    for seed in (0, 1):
        version = train(compose("train", [f"seed={seed}", "progress=false"]))
        engine = Engine(registry.download(version), 1)
        value = float(engine.run({name: [cell] for name, cell in RECORD.items()})["progression_prediction"][0, 0])
        answers[version.version], graph = f'"progression_prediction":{value!r}', engine.folder.resolve() / "model.onnx"
    measures = {
        "throughput": lambda: throughput(graph, seconds, rounds),
        "swaps": lambda: swaps(answers),
        "overload": lambda: overload(seconds, rounds),
        "resident": resident,
    }
    for name in only:
        measures[name]()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4, help="of one run of the load (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="counted runs of each (default: %(default)s)")
    parser.add_argument(
        "--only", nargs="+", default=["throughput", "swaps", "overload", "resident"], help="of all four"
    )
    options = parser.parse_args()
    in_project(lambda: main(options.seconds, options.rounds, options.only))
