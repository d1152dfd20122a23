"""From the template to a prediction: bake, install, train, register, promote, serve and ask, in one folder."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from commands import ROOT, environment, first_commit, run

BOOT_SECONDS = 90


def bake(folder: Path) -> Path:
    """The default answers, rendered into the folder; only what an earlier demo baked there is removed first."""
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / ".demo"
    if mark.is_file():
        shutil.rmtree(folder / mark.read_text(encoding="utf-8"), ignore_errors=True)
    before = {*folder.iterdir()}
    run(sys.executable, "-m", "cookiecutter", "--no-input", "--default-config", str(ROOT), cwd=folder)
    (project,) = {*folder.iterdir()} - before
    mark.write_text(project.name, encoding="utf-8")
    return project


def ask(url: str, body: object = None) -> Any:
    """GET, or POST a JSON body; the decoded answer."""
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, data, {"Content-Type": "application/json"}), timeout=30) as response:
        return json.load(response)


@contextmanager
def served(project: Path) -> Iterator[str]:
    """The address of the service on a free loopback port; it ends with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    overrides = [f"serving.reference=models:/{project.name}@prod", f"serving.port={port}"]
    print(f"\n$ make serve ARGS='{' '.join(overrides)}' &", flush=True)
    # What `make serve` runs: make itself would report the signal that ends the server as an error.
    command = [".venv/bin/python", "-m", "deployment.api", *overrides]
    server = subprocess.Popen(command, cwd=project, env=environment() | {"PYTHONPATH": "src"}, stdin=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + BOOT_SECONDS
        while True:
            with suppress(URLError, ConnectionError, TimeoutError):
                ask(f"{url}/health/ready")
                break
            if server.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"demo: the server did not become ready in {BOOT_SECONDS} s")
            time.sleep(0.1)
        yield url
    finally:
        server.send_signal(signal.SIGINT)  # as Ctrl-C: at once, without the drain of SIGTERM
        server.wait(30)


def main(folder: Path) -> None:
    """Every step of the project's own quick start, and then the answer."""
    begin = time.monotonic()
    project = bake(folder.resolve())
    run("make", "setup", cwd=project)
    first_commit(project)
    run("make", "train", cwd=project)
    for alias in ("staging", "prod"):
        run("make", "promote", f"ARGS=version=1 to={alias} promotion.by_hand=true", cwd=project)
    run("make", "registry", cwd=project)
    with served(project) as url:
        operation = ask(f"{url}/openapi.json")["paths"]["/predict"]["post"]
        example = operation["requestBody"]["content"]["application/json"]["example"]
        print(f"\nPOST {url}/predict\n{json.dumps(example)}", flush=True)
        answer = ask(f"{url}/predict", example)
    model = answer["model"]
    print(f"\nprediction: {json.dumps(answer['predictions'])}")
    print(f"model:      {model['name']} version {model['version']}, alias {model['alias']}")
    print(f"seconds:    {time.monotonic() - begin:.0f}")
    print(f"\nNext: cd {project} and read README.md; `make mlflow-ui` shows the run, its figures and the model;")
    print("`make serve` brings the API back, its documentation is at /docs.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
