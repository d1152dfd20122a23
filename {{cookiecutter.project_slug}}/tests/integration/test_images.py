"""The images, built and run as in production: read-only, as nobody in particular, without any capability."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from tests.containers import OPENER, Checkout, Container, check_out, docker, finished, refused, running, volume
from tests.pages import follow
from tests.project import PACKAGE
from tests.servables import ROWS, expected, write_servable

pytestmark = [pytest.mark.slow, pytest.mark.containers]
IMAGES = ("api", "trainer", "mlflow")
MEGABYTES = 650
"""Of the service's image, its base included."""
each = pytest.mark.parametrize("image", IMAGES)
ACCOUNTS = {"MLFLOW_FLASK_SERVER_SECRET_KEY": "0" * 32, "MLFLOW_AUTH_ADMIN_PASSWORD": "correct horse"}
OF_THE_PAGE = ("api", "mlflow", "store", "data", "servables", "scored")
"""Of docs/docker.md: what its containers and volumes are called, after the project's name."""
API = "/api/2.0/mlflow/experiments/get?experiment_id=0"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A commit whose images are built."""
    made = check_out(tmp_path_factory.mktemp("images") / "project")
    made.build(*IMAGES)
    yield made
    made.remove_images()


@pytest.fixture(scope="module")
def servable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_servable(tmp_path_factory.mktemp("servable") / "house")


def asked(container: Container, path: str, document: Any = None, account: str = "", **headers: str) -> tuple[int, Any]:
    """Status and JSON of an answer."""
    headers |= {"Authorization": f"Basic {base64.b64encode(account.encode()).decode()}"} if account else {}
    body = None if document is None else json.dumps(document).encode()
    try:
        with OPENER.open(Request(container.url + path, body, headers), timeout=30) as response:
            status, text = response.status, response.read().decode()
    except HTTPError as error:
        status, text = error.code, error.read().decode()
    return status, json.loads(text) if text.startswith("{") else text


@each
def test_labels_are_of_the_commit(project: Checkout, image: str) -> None:
    labels = project.inspect(image)["Config"]["Labels"]
    prefix = "org.opencontainers.image."
    assert labels[f"{prefix}revision"] == project.git("rev-parse", "HEAD")
    assert labels[f"{prefix}version"] == project.version
    assert labels[f"{prefix}title"] == f"{PACKAGE}-{image}"
    assert labels[f"{prefix}licenses"] == "GPL-3.0-only"
    assert project.inspect(image)["Created"] == labels[f"{prefix}created"]


@each
def test_holds_no_more_than_it_runs(project: Checkout, image: str) -> None:
    """Nobody in particular may write where state is kept, and nowhere else."""
    places = {"trainer": ["/app/data", "/app/mlruns", "/app/outputs"]}
    listed = docker("run", "--rm", project.tag(image), "find", "/app", "-writable")  # a read-only one has nothing
    assert sorted(listed.split()) == places.get(image, ["/app/outputs"])
    above = finished(project.tag(image), "ls", "-A", "/app").split()
    own = {"api": ["config", "deployment"], "trainer": ["config", "data", "deployment", "mlruns", "uv.lock"]}
    assert sorted(above) == sorted([".venv", "outputs", *own.get(image, ["basic_auth.ini"])])
    assert finished(project.tag(image), "id", "-u") == "10001"


def test_the_service_is_small_and_has_nothing_of_training(project: Checkout) -> None:
    assert project.inspect("api")["Size"] <= MEGABYTES * 1_000_000
    training = ("torch", "lightning", "pandas", "sklearn", "lightgbm", "xgboost", "pytest")
    code = f"from importlib.util import find_spec; print([name for name in {training} if find_spec(name)])"
    assert finished(project.tag("api"), "python", "-c", code) == "[]"


def test_the_service_answers_as_it_should_and_ends_in_peace(project: Checkout, servable: Path) -> None:
    with running(
        project.tag("api"), 8000, "python", "-m", "deployment.api", "serving.drain_seconds=1",
        volumes=(f"{servable}:/servable:ro",), SERVING_REFERENCE="/servable", SERVING_API_KEYS="right",  # pragma: allowlist secret
    ) as container:  # fmt: skip
        container.healthy()
        assert asked(container, "/predict", {"records": ROWS})[0] == 401
        status, answer = asked(container, "/predict", {"records": ROWS}, **{"X-API-Key": "right"})
        assert status == 200, answer
        got = [row["price_prediction"] for row in answer["predictions"]]
        want = expected(ROWS)["price_prediction"][:, 0]
        assert (np.abs(got - want) <= 1e-5 * (20.0 + np.abs(want))).all()
        assert container.stop() == 0
        assert "draining for 1 s" in container.log


def test_a_second_signal_ends_it_at_once(project: Checkout, servable: Path) -> None:
    """Though it is the first process of its container, which the kernel protects from signals."""
    with running(
        project.tag("api"), 8000, "python", "-m", "deployment.api", "serving.drain_seconds=1000",
        volumes=(f"{servable}:/servable:ro",), SERVING_REFERENCE="/servable",
    ) as container:  # fmt: skip
        container.healthy()
        docker("kill", "--signal", "TERM", container.name)
        container.says("draining for 1000 s")
        docker("kill", "--signal", "TERM", container.name)
        assert docker("wait", container.name) == "143"


def test_a_mistake_is_one_line(project: Checkout) -> None:
    said = refused(project.tag("api"), SERVING_REFERENCE="/nowhere")
    assert said == (
        "error: '/nowhere' is neither a directory nor models:/<name>@<alias> nor models:/<name>/<version>\n"
    )


def test_batch_scoring_is_the_same_image(project: Checkout, servable: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)  # somebody else's
    rows = [ROWS[0] | {"age": float(20 + row), "id": str(row)} for row in range(50)]
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "in.parquet")
    finished(
        project.tag("api"), "python", "-m", f"{PACKAGE}.cli.predict", "reference=/servable", "input=/data/in.parquet",
        "output=/data/out.parquet", volumes=(f"{servable}:/servable:ro", f"{tmp_path}:/data"),
    )  # fmt: skip
    scored = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pydict()
    want = expected(rows)["price_prediction"][:, 0]
    assert scored["id"] == [row["id"] for row in rows]
    assert (np.abs(scored["price_prediction"] - want) <= 1e-5 * (20.0 + np.abs(want))).all()


def test_what_one_container_trains_another_one_serves(project: Checkout) -> None:
    """The store is on a volume; the service keeps what it serves on another, and follows."""
    with volume() as store, volume() as data, volume() as outputs, volume() as kept:

        def train(*overrides: str) -> str:
            return finished(
                project.tag("trainer"), "python", "-m", f"{PACKAGE}.cli.train", "progress=false",
                "evaluation.importance_repeats=1", *overrides,
                volumes=(f"{store}:/app/mlruns", f"{data}:/app/data", f"{outputs}:/app/outputs"),
            )  # fmt: skip

        assert f"registered {PACKAGE} version 1 under dev" in train("model=mlp", "trainer.max_epochs=1")
        with running(
            project.tag("api"), 8000, "python", "-m", "deployment.api", "serving.poll_seconds=1",
            volumes=(f"{store}:/app/mlruns", f"{kept}:/app/outputs"),
            MLFLOW_TRACKING_URI="sqlite:////app/mlruns/mlflow.db",
        ) as container:  # fmt: skip
            status, served = asked(container.healthy(), "/model")
            assert (status, served["version"], served["alias"]) == (200, "1", "dev")
            made_from = served["provenance"]
            assert (made_from["commit"], made_from["dirty"]) == (project.git("rev-parse", "HEAD"), False)
            assert made_from["lock"] == hashlib.sha256((project.folder / "uv.lock").read_bytes()).hexdigest()
            assert f"registered {PACKAGE} version 2 under dev" in train("model=lightgbm")
            container.says("version 2")
            assert asked(container, "/model")[1]["version"] == "2"


def test_the_registrys_server_knows_whom_it_talks_to(project: Checkout) -> None:
    with (
        volume() as kept,
        running(project.tag("mlflow"), 5000, volumes=(f"{kept}:/app/outputs",), **ACCOUNTS) as server,
    ):
        server.healthy()
        assert asked(server, "/health") == (200, "OK")
        assert asked(server, API)[0] == 401
        assert asked(server, API, account="admin:wrong horse")[0] == 401
        status, answer = asked(server, API, account="admin:correct horse")
        assert (status, answer["experiment"]["name"]) == (200, "Default")
        assert answer["experiment"]["artifact_location"].startswith("mlflow-artifacts:/")
        assert asked(server, API, account="admin:correct horse", Host="elsewhere.example.com")[0] == 403
        assert server.stop() == 0


def test_the_registrys_server_has_no_password_of_its_own(project: Checkout) -> None:
    given = {"MLFLOW_FLASK_SERVER_SECRET_KEY": ACCOUNTS["MLFLOW_FLASK_SERVER_SECRET_KEY"]}
    with volume() as kept:
        said = refused(project.tag("mlflow"), volumes=(f"{kept}:/app/outputs",), **given)
    assert "MLFLOW_AUTH_ADMIN_PASSWORD" in said


def test_two_checkouts_make_the_same_layers(project: Checkout, tmp_path: Path) -> None:
    """Another folder, other times and modes, nothing taken from the builder's cache; then a changed line."""
    project.git("clone", "--quiet", str(project.folder), str(tmp_path / "clone"))
    clone = Checkout(tmp_path / "clone", f"{project.version}1")
    clone.git("remote", "remove", "origin")
    for path in clone.folder.rglob("*"):
        if path.relative_to(clone.folder).parts[0] != ".git" and not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o700)
    first = project.inspect("api")
    try:
        Checkout(clone.folder, project.version).build("api", flags="--no-cache")
        again = project.inspect("api")
        assert again["RootFS"]["Layers"] == first["RootFS"]["Layers"]
        assert again["Id"] == first["Id"]

        module = clone.folder / f"src/{PACKAGE}/__init__.py"
        module.write_text(module.read_text(encoding="utf-8") + "CHANGED = True\n", encoding="utf-8")
        (clone.folder / "VERSION").write_text(f"{clone.version}\n", encoding="utf-8")
        clone.build("api")
        assert finished(clone.tag("api"), "python", "-c", f"import {PACKAGE}; print({PACKAGE}.CHANGED)") == "True"
        changed = clone.inspect("api")
        both = zip(first["RootFS"]["Layers"], changed["RootFS"]["Layers"], strict=True)
        assert [old == new for old, new in both].count(False) == 1
        assert changed["Config"]["Labels"]["org.opencontainers.image.revision"].endswith("-dirty")
    finally:
        clone.remove_images()
        shutil.rmtree(clone.folder)


def test_the_page(project: Checkout) -> None:
    """Under other names: those of the page may be a user's own containers and volumes."""
    names = {name: f"test-{uuid.uuid4().hex[:12]}-{name}" for name in OF_THE_PAGE}

    def renamed(text: str) -> str:
        return re.sub(rf"{PACKAGE}-({'|'.join(names)})(?!:[\"$])", lambda found: names[found[1]], text)

    try:
        printed = follow(project.folder, "docker.md", renamed)
    finally:  # what its last block does, should it not come to that
        subprocess.run(["docker", "rm", "--force", names["api"], names["mlflow"]], capture_output=True)
        subprocess.run(["docker", "volume", "rm", "--force", *names.values()], capture_output=True)
    assert f"registered {PACKAGE} version 1 under dev" in printed
    assert '"predictions":[{"progression_prediction":' in printed
    assert "442 rows scored by models:/" in printed
