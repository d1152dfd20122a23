"""The repository's own checks say in one line what is wrong with which file; the hooks are in integration/."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import PACKAGE, ROOT, environment_of
from tools import check_experiments, check_lock, check_tracked

ALONE = '[project]\nname = "alone"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = []\n'


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A copy of the configuration, in the working directory."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    return Path("config")


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """An empty repository, in the working directory; uv may be where `make setup` puts it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}{os.pathsep}{ROOT / '.uv/bin'}")
    monkeypatch.setenv("UV_OFFLINE", "1")
    git("init", "--quiet")
    return tmp_path


def git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True)


def run(tool: str) -> subprocess.CompletedProcess[str]:
    """A check as the hook runs it."""
    command = [sys.executable, str(ROOT / "tools" / tool)]
    return subprocess.run(command, env=environment_of(), capture_output=True, text=True)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("houses.csv", "data"),
        ("docs/HOUSES.CSV", "data"),
        ("tests/houses.csv.gz", "data"),
        ("a b/c.d/table.parquet", "data"),
        ("runs.db", "data"),
        ("model.onnx", "a model"),
        ("src/net.pt", "a model"),
        ("checkpoints/last.ckpt", "a model"),
        ("model.joblib.xz", "a model"),
    ],
)
def test_data_and_models_are_named(path, kind):
    (line,) = check_tracked.problems([path, "README.md"], [], ["tests/released/*"])
    assert line == (
        f"{path}: {kind} in git: run git rm --cached {path}, and keep it in data/raw/ or the registry; "
        "if it belongs here, add it to tool.hygiene.allowed in pyproject.toml"
    )


def test_what_only_looks_alike_is_not():
    alike = ["houses.csv.txt", "csv", ".csv", "onnx.py", "config/data/parquet.yaml", "a.csv/b.py", "x.gz"]
    assert check_tracked.problems(alike, [], []) == []


def test_what_is_allowed_may_be_there():
    paths = ["tests/released/contract-1/model.onnx", "tests/model.onnx"]
    (line,) = check_tracked.problems(paths, [], ["tests/released/*"])
    assert line.startswith("tests/model.onnx: a model in git: ")


def test_what_is_ignored_and_in_git_all_the_same_is_named(repository):
    shutil.copy(ROOT / ".gitignore", repository)
    shutil.copy(ROOT / "pyproject.toml", repository)
    kept = ["mlruns/0/meta.yaml", "data/raw/notes.txt", "mlflow.db", ".env", "outputs/it/train.log"]
    for name in [*kept, "data/README.md"]:
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text("x\n")
    git("add", "--all")
    assert (run("check_tracked.py").returncode, run("check_tracked.py").stdout) == (0, "")
    git("add", "--force", *kept)
    done = run("check_tracked.py")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines() == [
        f"{name}: .gitignore leaves it out, and it is in git: run git rm --cached {name}" for name in sorted(kept)
    ]


def test_the_projects_own_configuration_composes(config):
    assert check_experiments.problems(config) == []


WRONG = {
    "experiment/quiet": ("# @package _global_\ndescription: ' '\n", "it has no description: write one line that says what is predicted"),
    "experiment/typo": ("# @package _global_\ndefaults:\n  - override /model: mpl\n", "it does not compose: In 'train': Could not find 'model/mpl'; there are "),
    "experiment/key": ("# @package _global_\nsed: 3\n", "it does not compose: config: sed is not a key that is known here; see config/ for those that are"),
    "data/empty": ("defaults:\n  - base\n  - _self_\n", "it does not compose: config: name is not set"),
    "features/half": ("defaults:\n  - embedding\n  - _self_\nimpute: guess\n", "it does not compose: config: features.impute: Input should be 'median', 'mean' or 'none', not 'guess'"),
    "model/wide": ("defaults:\n  - mlp\n  - _self_\nhiden: [9]\n", f"it does not compose: config: model.hiden is not an argument of {PACKAGE}.models.lightning.LightningMLP; did you mean hidden?"),
    "model/broken": ("hidden: [9\n", "it does not compose: "),
}  # fmt: skip
"""Files below config/, and how the line about each begins."""


def test_every_file_that_does_not_compose_is_named(config):
    for name, (text, _) in WRONG.items():
        (config / f"{name}.yaml").write_text(text)
    done = run("check_experiments.py")
    assert (done.returncode, done.stderr) == (1, "")
    lines = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert sorted(lines) == sorted(f"config/{name}.yaml" for name in WRONG)
    for name, (_, said) in WRONG.items():
        assert lines[f"config/{name}.yaml"].startswith(said)


def test_a_lock_has_to_be_there_in_git_and_in_step(repository, monkeypatch):
    """Offline: a lock that is in step is recognised without an index."""
    (repository / "pyproject.toml").write_text(ALONE)
    assert check_lock.problem(repository) == "uv.lock: there is none: run make setup and commit it"
    monkeypatch.setenv("PATH", os.pathsep.join((os.environ["PATH"], str(ROOT / ".uv/bin"))))
    uv = shutil.which("uv")
    assert uv is not None, "make setup puts uv into .uv/"
    subprocess.run([uv, "lock", "--quiet"], check=True)
    assert check_lock.problem(repository) == "uv.lock: it is not in git: run git add uv.lock and commit it"
    git("add", "--all")
    assert check_lock.problem(repository) is None
    (repository / "pyproject.toml").write_text(ALONE.replace('"alone"', '"other"'))
    said = "uv.lock: it is not in step with pyproject.toml: run make setup and commit it"
    assert check_lock.problem(repository) == said
    done = run("check_lock.py")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{said}\n")
    (repository / "pyproject.toml").write_text("[project\n")
    (line,) = str(check_lock.problem(repository)).splitlines()
    assert line.startswith("uv.lock: uv cannot check it (")
