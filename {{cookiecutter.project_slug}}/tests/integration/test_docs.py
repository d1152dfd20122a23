"""The code blocks of docs/, taken literally: files are written, lines are run, in the order of the pages."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import mlflow
import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

from {{ cookiecutter.project_slug }}.evaluation.heldout import read_heldout
from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry
from {{ cookiecutter.project_slug }}.models import converters

from tests.project import PACKAGE, environment_of

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
BLOCK = re.compile(
    r"^(?:\*\*`(?P<path>[^`]+)`\*\*\n\n|(?P<background><!-- background -->)\n)?```(?P<kind>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
PORT = re.compile(r"(?<=PORT=)\d+|(?<=serving\.port=)\d+|(?<=--port )\d+|(?<=127\.0\.0\.1:)\d+")
BOOT_SECONDS = 120


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project that several pages change, one after another."""
    return copy_of_the_project(tmp_path_factory.mktemp("docs") / "project")


def copy_of_the_project(folder: Path) -> Path:
    """What git holds of this project, with this interpreter's environment as its own."""
    left_out = {"data", "mlruns", "outputs", "__pycache__"}
    folder.mkdir()
    for source in ROOT.iterdir():
        if source.is_dir() and not source.name.startswith(".") and source.name not in left_out:
            shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.is_file() and not source.name.startswith("mlflow.db"):
            shutil.copy(source, folder / source.name)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


@pytest.fixture(scope="module")
def modelled(project):
    """The project after docs/models.md."""
    follow(project, "models.md")
    return project


def follow(folder: Path, page: str) -> str:
    """Do what a page says, and return what was printed; servers run until its end."""
    printed = ""
    text, ports = with_free_ports((ROOT / "docs" / page).read_text(encoding="utf-8"))
    with ExitStack() as servers:
        for block in BLOCK.finditer(text):
            if block["path"]:
                assert not (folder / block["path"]).exists(), f"{block['path']} is there already"
                (folder / block["path"]).write_text(block["text"], encoding="utf-8")
            elif block["background"]:
                servers.enter_context(in_background(folder, block["text"], ports))
            elif block["kind"] in ("bash", "python"):
                command = ["bash", "-euo", "pipefail"] if block["kind"] == "bash" else [sys.executable]
                done = subprocess.run(
                    [*command, "-c", block["text"]], cwd=folder, env=environment(folder),
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                )  # fmt: skip
                assert done.returncode == 0, f"{block['text']}\n{done.stdout}"
                printed += done.stdout
    return printed


def environment(folder: Path) -> dict[str, str]:
    """As a user's: no variable of this test run leads to another project; its own .venv has the package."""
    names = ("VENV", "ARGS", "MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS")
    return {key: value for key, value in environment_of(PYTHONPATH=str(folder / "src")).items() if key not in names}


def with_free_ports(text: str) -> tuple[str, list[int]]:
    """The page with every port replaced by one that is free, and those ports in the order of the page."""
    free: dict[str, str] = {}
    with ExitStack() as probes:
        for written in dict.fromkeys(PORT.findall(text)):
            probe = probes.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            free[written] = str(probe.getsockname()[1])
    return PORT.sub(lambda found: free[found[0]], text), [int(port) for port in free.values()]


@contextmanager
def in_background(folder: Path, text: str, ports: list[int]):
    """Run a server's block until its port answers, and end its processes afterwards."""
    (port,) = [port for port in ports if str(port) in text]
    log = folder / "server.log"
    with log.open("wb") as file:
        server = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", text], cwd=folder, env=environment(folder), stdout=file, stderr=file,
            start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + BOOT_SECONDS
        while not answers(port):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, f"{text} does not answer after {BOOT_SECONDS} s"
            time.sleep(0.2)
        yield
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def check_versions(folder: Path, name: str, count: int) -> None:
    """As many versions as trainings, the newest under dev; each answers as its training framework did."""
    store = f"sqlite:///{folder / 'mlflow.db'}"
    registry, client = MlflowRegistry(store, folder / "outputs/servables"), mlflow.MlflowClient(store)
    versions = [registry.find(f"models:/{name}/{number}") for number in range(1, count + 1)]
    assert registry.find(f"models:/{name}@dev").version == str(count)
    for version in versions:
        engine = Engine(registry.download(version))
        columns, _ = read_heldout(engine.folder, engine.contract)
        table = pyarrow.parquet.read_table(engine.folder / "heldout.parquet")
        target = engine.contract.target
        for output, got in engine.flat(engine.run(columns)).items():
            want = table[output].to_numpy()
            if got.dtype.kind == "f":
                assert (np.abs(got - want) <= target.tolerance * (target.deviation + np.abs(want))).all()
            else:
                assert (got == want).all()
        assert client.get_run(version.run_id).data.metrics["export/parity"] <= 1


def test_a_model_of_ones_own(modelled):
    check_versions(modelled, PACKAGE, 3)
    check_versions(modelled, "breast_cancer", 1)


def test_the_list_of_converters_is_whole():
    page = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    assert [name for name in (*converters.WRITERS, *converters.BY_SKL2ONNX) if f"`{name}`" not in page] == []


def test_a_table_of_ones_own(project):
    printed = follow(project, "data.md")
    assert "178 rows: " in printed
    check_versions(project, "wine", 1)
    lines = (project / "outputs/wine.csv").read_text().splitlines()
    assert len(lines) == 179
    assert lines[0].startswith('"bottle","cultivar_prediction","cultivar_probabilities_0"')


def test_serving(project, tmp_path):
    folder = tmp_path / "project"  # its rules and versions are nobody else's concern
    left_out = shutil.ignore_patterns("mlflow.db*", "mlruns", "outputs", "__pycache__")
    shutil.copytree(project, folder, symlinks=True, ignore=left_out)
    printed = follow(folder, "serving.md")
    assert '"model":{"name":"' + PACKAGE + '","version":"1","alias":"dev"}' in printed
    assert '"following":{"registry":"answers","from":"registry","trouble":null,"refused":null}' in printed
    assert '"needs_review":true' in printed


def test_mlflow(modelled):
    printed = follow(modelled, "mlflow.md")
    assert '{"predictions": [{"progression_prediction": ' in printed
    assert f"registered {PACKAGE} version 1 under dev" in printed  # the server's first; the embedded store has more
    assert (modelled / "outputs/server/mlflow.db").exists()


def test_scoring_files(project):
    printed = follow(project, "batch.md")
    assert "442 rows scored by models:/" in printed
    assert "2 of 3 rows break the contract: outputs/patients_scored.rejects.csv" in printed
    outputs = project / "outputs"
    assert len((outputs / "patients_scored.csv").read_text().splitlines()) == 2
    reasons = pyarrow.csv.read_csv(outputs / "patients_scored.rejects.csv").select(["row", "reason"]).to_pylist()
    assert reasons == [
        {
            "row": 1,
            "reason": "column 'age' must be a finite number, row 1 holds 'old'; column 'bmi' may not be missing, row 1",
        },
        {"row": 2, "reason": "column 'bp' must be a finite number, row 2 holds 'inf'"},
    ]
    assert len((outputs / "mended_scored.csv").read_text().splitlines()) == 3
    assert not (outputs / "mended_scored.rejects.csv").exists()


def test_lifecycle(tmp_path):
    """After the README's quick start: a lock and a commit."""
    project = copy_of_the_project(tmp_path / "project")
    (project / "uv.lock").write_text("version = 1\n")
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    for arguments in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *arguments], cwd=project, check=True)
    printed = follow(project, "lifecycle.md")
    listed = [block for block in printed.split("breast_cancer: ") if block.startswith(("dev", "prod", "staging"))]
    assert [block.splitlines()[0] for block in listed] == ["dev 1, prod 1, staging 1", "prod 1"]
    assert "refused  quality" in printed
    assert "passed   group" in printed
