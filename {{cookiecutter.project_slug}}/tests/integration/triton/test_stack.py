"""The stack with everything that this project has: Triton beside the service, both at the version that the alias names."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.inference.engine import GOLDEN_FILE

from tests.dockerfiles import FOLDER
from tests.project import PACKAGE
from tests.stacks import Stack, prepared, until
from tests.standins import APT, executable, postgres, seaweedfs
from tests.tritons import CLIENTS, ask, check_closed, installed

pytestmark = [pytest.mark.slow, pytest.mark.containers]
DOORS = {"http": "triton", "grpc": "triton_grpc"}
"""Triton's, and the variable of .env that has the port of each."""
TRAIN = "progress=false evaluation.importance_repeats=1"
SERVER = """#!/bin/sh
export LD_LIBRARY_PATH=/triton/packages/nvidia_pytriton.libs
exec /triton/packages/pytriton/tritonserver/bin/tritonserver --backend-directory=/triton/backends --allow-gpu-metrics=false "$@"
"""


def tritonserver(folder: Path) -> str:
    """The server of deployment/triton/local, an older version of the real thing with another backend for the graph."""
    environment = installed().python.parents[1]
    (packages,) = (environment / "lib").glob("python3.*/site-packages")
    shutil.copytree(packages, folder / "packages", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(environment / "backends", folder / "backends")
    executable(folder / "tritonserver", SERVER)
    return (
        APT.format(packages=f"curl libpython3.{sys.version_info.minor}")
        + "COPY packages /triton/packages\nCOPY backends /triton/backends\nCOPY tritonserver /usr/local/bin/\n"
        + "RUN echo /triton/packages >\"$(python -c 'import site; print(site.getsitepackages()[0])')/triton.pth\"\n"
    )


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The project with all its images."""
    images = tuple(path.name.removesuffix(".Dockerfile") for path in sorted(FOLDER.glob("*.Dockerfile")))
    others = {"postgres": postgres, "seaweedfs": seaweedfs, "triton": tritonserver}
    with prepared(tmp_path_factory.mktemp("stack"), images, others) as made:
        yield made


def check_triton(stack: Stack, version: str) -> None:
    """Both of Triton's doors come to the version, and answer its golden rows."""
    engine = stack.engine("dev", stack.folder / "outputs/looked-at")
    feeds = engine.encode(json.loads((engine.folder / GOLDEN_FILE).read_text(encoding="utf-8"))["inputs"])
    for door, service in DOORS.items():
        client = CLIENTS[door].InferenceServerClient(stack.port(service))
        until(lambda client=client: ask(client, PACKAGE, feeds)[0] == version, f"{door}: version {version}")
        assert engine.check_golden(lambda asked, client=client: ask(client, PACKAGE, asked)[1], door) >= 64


def test_triton_goes_where_the_alias_goes(stack: Stack, tmp_path: Path) -> None:
    said = stack.make("stack", "--profile triton")
    assert "Nothing is under dev, so api" in said
    stack.make("train", f"model=linear {TRAIN}", account="ci")
    said = stack.make("stack", "--profile triton")
    assert f"http://{stack.port('triton')}" in said
    check_triton(stack, "1")
    for door, service in DOORS.items():
        client = CLIENTS[door].InferenceServerClient(stack.port(service))
        check_closed(client, PACKAGE)
    stack.make("train", f"model=lightgbm {TRAIN}", account="ci")
    check_triton(stack, "2")
    stack.run("docker", "compose", "--profile", "triton", "restart")
    stack.make("stack", "--profile triton")
    check_triton(stack, "2")
    until(lambda: stack.asked("/model")["version"] == "2", "version 2")
    stack.check_all_targets("dev", tmp_path / "targets")
