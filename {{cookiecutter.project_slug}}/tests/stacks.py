"""A stack of its own name on free ports, and everything that answers for the version it serves."""

import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from {{ cookiecutter.project_slug }}.inference.engine import GOLDEN_FILE, Engine
from {{ cookiecutter.project_slug }}.inference.parity import disagreement
from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry

from deployment.docker.stack import environment
from deployment.docker.stack.accounts import Door
from tests.containers import OPENER, PATIENCE, Checkout, check_out
from tests.oip import as_json
from tests.ports import free_ports
from tests.project import PACKAGE
from tests.standins import pulled_or_made

PORT = re.compile(r"STACK_\w+_PORT")
TAG = re.compile(r"image: .*\$\{(\w+_TAG):-")
PYFUNC = """
import json, sys, mlflow, pandas
columns, reference = json.load(open(sys.argv[1])), sys.argv[2]
answers = mlflow.pyfunc.load_model(reference).predict(pandas.DataFrame(columns))
json.dump(answers.to_dict("list"), open(sys.argv[3], "w"))
"""
Columns = Mapping[str, list[Any]]
"""Cells by column, as a client writes them."""


class Stack:
    """The project's, under a name of its own; `tags` of images, by the variable of compose.yaml."""

    def __init__(self, project: Checkout, tags: Mapping[str, str]) -> None:
        self.project, self.folder = project, project.folder
        outside = ("STACK_", "MLFLOW_", "SERVING_", "MAKE", "MFLAGS", "ARGS", "COMPOSE_", "CI")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(outside)}
        self.own = {"COMPOSE_PROJECT_NAME": f"test-{uuid.uuid4().hex[:12]}", **tags}
        self.env |= self.own

    def run(self, *command: str, code: int = 0, **variables: str) -> str:
        """What a command prints in the project's root."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.env | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == code, done.stdout[-10_000:]
        return done.stdout

    def make(self, target: str, arguments: str = "", code: int = 0, account: str = "", **variables: str) -> str:
        """A target, with what `make stack` says to export for an account."""
        given = self.account(account) if account else {}
        return self.run("make", "--silent", target, f"ARGS={arguments}", code=code, **given, **variables)

    def account(self, name: str, uri: str = "") -> dict[str, str]:
        """What a client of the registry has in its environment."""
        return {
            "MLFLOW_TRACKING_URI": uri or self.registry,
            "MLFLOW_TRACKING_USERNAME": name,
            "MLFLOW_TRACKING_PASSWORD": self.secret(f"{name.upper()}_PASSWORD"),
            "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
        }

    def secret(self, name: str) -> str:
        """A value of .env."""
        return environment.read(self.folder / ".env")[f"STACK_{name}"]

    def port(self, service: str) -> str:
        """Where this machine reaches a service."""
        return f"127.0.0.1:{self.secret(f'{service.upper()}_PORT')}"

    @property
    def registry(self) -> str:
        """Its address."""
        return f"http://{self.port('mlflow')}"

    def door(self, account: str) -> Door:
        """The registry's API, as an account."""
        return Door(self.registry, account, self.secret(f"{account.upper()}_PASSWORD"))

    def containers(self) -> list[str]:
        """Of all its services."""
        return sorted(self.run("docker", "compose", "ps", "--all", "--quiet").split())

    def destroy(self) -> None:
        """As docs/stack.md says it, beyond recovery."""
        self.run("docker", "compose", "--profile", "*", "down", "--volumes", "--remove-orphans")

    def asked(self, path: str, document: Any = None) -> Any:
        """What the service answers to somebody who has the key."""
        body = None if document is None else json.dumps(document).encode()
        request = Request(f"http://{self.port('api')}{path}", body, {"X-API-Key": self.secret("API_KEY")})
        request.add_header("Content-Type", "application/json")
        with OPENER.open(request, timeout=30) as response:
            return json.load(response)

    def aliases(self) -> dict[str, str]:
        """Every alias of the model, read back as somebody who may only read."""
        found = self.door("reader").done("GET", "2.0/mlflow/registered-models/get", name=PACKAGE)
        return {one["alias"]: one["version"] for one in found["registered_model"]["aliases"]}

    def history(self) -> Any:
        """What `registry` knows of every version, but for how old each is."""
        known = json.loads(self.make("registry", "format=json", account="people"))
        for version in known["versions"]:
            del version["age"]
        return known

    def engine(self, alias: str, cache: Path) -> Engine:
        """The servable under an alias, as the registry hands it out to this machine, where it is kept in `cache`."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.account("reader").items():
                patch.setenv(name, value)
            registry = MlflowRegistry(self.registry, cache)
            return Engine(registry.download(registry.find(f"models:/{PACKAGE}@{alias}")))

    def check_all_targets(self, alias: str, folder: Path) -> str:
        """What is under the alias answers its golden rows as training did, wherever it is deployed.

        Args:
            alias: the one that the service follows.
            folder: for what goes in and comes out; it is made.

        Returns:
            The servable's digest.
        """
        folder.mkdir()
        folder.chmod(0o777)  # containers are somebody else
        engine = self.engine(alias, folder / "cache")
        assert engine.check_golden() >= 64
        document = json.loads((engine.folder / GOLDEN_FILE).read_text(encoding="utf-8"))
        columns, target = document["inputs"], engine.contract.target
        want = {name: np.array(values) for name, values in document["outputs"].items()}
        assert list(want) == [target.prediction]  # of a regression
        answers = {
            "/predict": self.asked("/predict", {"columns": columns})["predictions"],
            "/invocations": self.asked("/invocations", {"inputs": columns})["predictions"],
            "/v2": self.by_tensors(engine.encode(columns)),
            "batch": self.by_batch(columns, alias, folder),
            "pyfunc": self.by_pyfunc(columns, alias, folder),
        }
        for place, answer in answers.items():
            if isinstance(answer, list):  # of records
                answer = {target.prediction: [row[target.prediction] for row in answer]}
            got = np.array(answer[target.prediction], np.float64).reshape(-1, 1)
            off = disagreement({target.prediction: got}, want, target)
            assert len(off) == len(got) and (off <= 1).all(), f"{place}: {off.max():.3g} times the tolerance"
        return engine.digest

    def by_tensors(self, feeds: Mapping[str, np.ndarray]) -> dict[str, list[Any]]:
        """By the Open Inference Protocol."""
        answer = self.asked(f"/v2/models/{PACKAGE}/infer", {"inputs": as_json(dict(feeds))})
        return {output["name"]: output["data"] for output in answer["outputs"]}

    def by_batch(self, columns: Columns, alias: str, folder: Path) -> dict[str, list[Any]]:
        """By batch scoring: another command of the service's image, inside the stack."""
        pyarrow.parquet.write_table(pa.table(dict(columns)), folder / "in.parquet")
        self.run(
            "docker", "compose", "run", "--rm", "--no-deps", "-T", "--volume", f"{folder}:/data", "api",
            "python", "-m", f"{PACKAGE}.cli.predict", f"reference=models:/{PACKAGE}@{alias}",
            "input=/data/in.parquet", "output=/data/out.parquet",
        )  # fmt: skip
        return dict(pyarrow.parquet.read_table(folder / "out.parquet").to_pydict())

    def by_pyfunc(self, columns: Columns, alias: str, folder: Path) -> dict[str, list[Any]]:
        """By MLflow alone, as somebody has it who knows nothing of this project."""
        (folder / "in.json").write_text(json.dumps(dict(columns)))
        files = [str(folder / name) for name in ("in.json", "out.json")]
        reference = f"models:/{PACKAGE}@{alias}"
        self.run(sys.executable, "-c", PYFUNC, files[0], reference, files[1], **self.account("reader"))
        return dict(json.loads((folder / "out.json").read_text()))


@contextmanager
def prepared(folder: Path, images: tuple[str, ...], others: Mapping[str, Callable[[Path], str]]) -> Iterator[Stack]:
    """The project with its images and free ports, and no stack yet; in the end nothing of it is left.

    Args:
        folder: where it all is; it is there.
        images: of the project, to be built.
        others: services of compose.yaml whose images are pulled, and what to take where that fails; see tests/standins.py.
    """
    project = check_out(folder / "project")
    (project.folder / ".venv").symlink_to(sys.prefix)
    text = (project.folder / "compose.yaml").read_text(encoding="utf-8")
    names = PORT.findall(text)
    lines = [f"{name}={port}\n" for name, port in zip(names, free_ports(len(names)), strict=True)]
    (project.folder / ".env").write_text("".join(lines))
    with ExitStack() as images_of_others:
        tags = {}
        for name, recipe in others.items():
            image = pulled_or_made(name, folder / name, "python:3.11-slim", recipe)
            tags[TAG.search(text, text.index(f"\n  {name}:\n"))[1]] = images_of_others.enter_context(image)  # type: ignore[index]
        stack = Stack(project, tags)
        try:
            project.build(*images)
            yield stack
        finally:
            if (project.folder / ".env").exists():
                stack.destroy()
            project.remove_images()


def until(condition: Callable[[], Any], what: str) -> None:
    """Wait, as long as anything takes to come up."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what}: it does not come"
        time.sleep(0.5)
