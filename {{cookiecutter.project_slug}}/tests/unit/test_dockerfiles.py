"""What can be said of the images without an engine: hadolint, tags, what is copied, how a container starts and is judged."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.dockerfiles import DOCKERFILES, Stage, copied, sent, stages
from tests.project import ROOT

JOBS = {"trainer"}
"""Images of what ends by itself, and has no health."""
LABELS = ("title", "description", "source", "revision", "version", "created", "licenses")
each = pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)


def hadolint(*paths: Path) -> subprocess.CompletedProcess[str]:
    beside = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    found = shutil.which("hadolint", path=beside)
    assert found, "hadolint is not there: run make setup"
    return subprocess.run([found, "--no-color", *paths], capture_output=True, text=True)


def image_of(path: Path) -> str:
    return path.name.removesuffix(".Dockerfile")


def test_there_is_one_per_image():
    assert {"api", "mlflow", "trainer"} <= {image_of(path) for path in DOCKERFILES}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    listed = " ".join(re.findall(r"^IMAGES \+?:?= (.+)$", makefile, re.MULTILINE)).split()
    assert sorted(listed) == [image_of(path) for path in DOCKERFILES]


def test_hadolint_finds_nothing():
    done = hadolint(*DOCKERFILES)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_hadolint_would_find_something(tmp_path: Path):
    path = tmp_path / "Dockerfile"
    path.write_text("FROM python:latest\nRUN cd /tmp\n", encoding="utf-8")
    done = hadolint(path)
    assert done.returncode == 1
    assert {"DL3007", "DL3003"} <= set(re.findall(r"DL\d+", done.stdout))


@each
def test_every_base_has_a_tag_that_can_be_chosen(path: Path):
    known: set[str | None] = {"scratch"}
    for stage in stages(path):
        if stage.base not in known:
            assert re.fullmatch(r"[a-z0-9./-]+:[\w.-]+", stage.base), stage.base
            assert not stage.base.endswith(":latest")
        known.add(stage.name)
    text = path.read_text(encoding="utf-8")
    assert not text.startswith("# syntax")
    assert "FROM python:${PYTHON_TAG}" in text


@each
def test_what_is_copied_is_there_and_reaches_the_build(path: Path):
    sources = [source for stage in stages(path) for source in copied(stage)]
    assert "uv.lock" in sources
    assert [source for source in sources if not sent(source)] == []
    made_by_setup = {"uv.lock"}
    assert [source for source in sources if source not in made_by_setup and not (ROOT / source).exists()] == []


@each
def test_what_the_copied_code_imports_is_copied(path: Path):
    """One part of deployment/ may use another; the package is there as a whole."""
    sources = [source for stage in stages(path) for source in copied(stage)]
    parts = {Path(source).name for source in sources if source.startswith("deployment/") and (ROOT / source).is_dir()}
    for part in parts:
        for file in (ROOT / "deployment" / part).rglob("*.py"):
            outside = len(file.relative_to(ROOT / "deployment").parts)  # dots that lead to deployment/ itself
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.level == outside:
                    names = [node.module.split(".")[0]] if node.module else [alias.name for alias in node.names]
                    assert set(names) <= parts, f"{file.relative_to(ROOT)} imports {names[0]}"


@pytest.mark.parametrize(
    "path",
    [
        ".env", ".git/config", ".venv/bin/python", "data/raw/houses.csv", "mlflow.db", "mlruns/1/model.onnx",
        "notebooks/01_choose_features_and_model.ipynb", "outputs/predictions.csv", "tests/unit/test_batch.py",
        "deployment/docker/build.sh", "src/package/__pycache__/module.cpython-311.pyc", "my_key.pem",
    ],
)  # fmt: skip
def test_what_is_no_part_of_an_image_is_not_sent(path: str):
    assert not sent(path)


def final(path: Path) -> Stage:
    return stages(path)[-1]


@each
def test_runs_as_nobody_in_particular(path: Path):
    assert final(path).only("USER") == "10001:10001"
    assert final(path).values("RUN") == []  # whatever runs there would be written anew at every build
    assert final(path).values("COPY") == [value for value in final(path).values("COPY") if "--from=" in value]


@each
def test_starts_without_a_shell(path: Path):
    """A shell would keep SIGTERM to itself."""
    assert final(path).command("CMD")[0] in ("python", "mlflow")
    assert final(path).values("ENTRYPOINT") == []


@each
def test_says_what_it_is(path: Path):
    labels = final(path).pairs("LABEL")
    assert list(labels) == [f"org.opencontainers.image.{name}" for name in LABELS]
    arguments = dict(value.partition("=")[::2] for value in final(path).values("ARG"))
    for name in ("source", "revision", "version", "created"):
        assert labels[f"org.opencontainers.image.{name}"] == "${" + name.upper() + "}"
        assert arguments[name.upper()] == "unknown"


@each
def test_no_image_loads_a_pickle_when_it_serves(path: Path):
    if image_of(path) == "api":
        assert final(path).pairs("ENV")["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"


def test_variables_of_images_are_those_that_the_configuration_reads():
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "config").rglob("*.yaml")]
    read = {name for text in texts for name in re.findall(r"oc\.env:(\w+)", text)}
    own = re.compile(r"(?!MLFLOW_)\w+_(?:API|HOST|KEYS?|REFERENCE|REVISION)")  # MLflow reads its own
    given = {name for path in DOCKERFILES for name in final(path).pairs("ENV") if own.fullmatch(name)}
    assert {"SERVING_HOST", "IMAGE_REVISION"} <= given
    settings = (ROOT / "docs/docker.md").read_text(encoding="utf-8").partition("## Settings\n")[2].partition("\n## ")[0]
    documented = set(re.findall(rf"`({own.pattern})`", settings))
    assert {"SERVING_REFERENCE", "SERVING_API_KEYS"} <= documented
    assert sorted((given | documented) - read) == []


@contextmanager
def answering(status: int) -> Iterator[tuple[int, list[str]]]:
    """A server that answers everything with one status; its port, and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, asked
        server.shutdown()


def probe(path: Path, port: int) -> int:
    """The image's health check, asked of another port."""
    python, *arguments = final(path).command("HEALTHCHECK")
    assert python == "python"
    exposed = final(path).only("EXPOSE")
    assert exposed in arguments[-1]
    command = [sys.executable, *(argument.replace(exposed, str(port)) for argument in arguments)]
    return subprocess.run(command, capture_output=True).returncode


@each
def test_healthy_is_what_takes_requests(path: Path):
    if image_of(path) in JOBS:
        assert final(path).only("HEALTHCHECK") == "NONE"
        return
    expected = 401 if image_of(path) == "mlflow" else 200  # accounts: the anonymous are refused
    with answering(expected) as (port, asked):
        assert probe(path, port) == 0
    for status in {200, 401, 403, 500, 503} - {expected}:
        with answering(status) as (port, _):
            assert probe(path, port) == 1, status
    assert probe(path, port) == 1  # where nothing listens any more
    if image_of(path) == "api":
        assert asked == ["/health/ready"]
