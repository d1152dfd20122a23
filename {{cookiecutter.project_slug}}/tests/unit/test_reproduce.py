"""What a refit starts from: the run's record, the interpreter, the raw bytes, the commit; each refusal is one line."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.ports import RawTable, UserError, Version
from {{ cookiecutter.project_slug }}.reproduction import runner
from {{ cookiecutter.project_slug }}.reproduction.checkout import checked_out
from {{ cookiecutter.project_slug }}.reproduction.environment import environment_for
from {{ cookiecutter.project_slug }}.reproduction.facts import Fact, changed, facts_of
from {{ cookiecutter.project_slug }}.reproduction.raw import FolderStore, find_raw
from {{ cookiecutter.project_slug }}.reproduction.recipe import Recipe, read_recipe
from {{ cookiecutter.project_slug }}.reproduction.refit import Workshop
from {{ cookiecutter.project_slug }}.schemas.config import validate
from {{ cookiecutter.project_slug }}.schemas.contract import Contract
from {{ cookiecutter.project_slug }}.schemas.reproduce import ReproduceConfig

from tests.project import PACKAGE, ROOT, composed

COMMIT, LOCK = "c" * 40, "version = 1\n"
TAGS = {
    "git.commit": COMMIT, "git.dirty": "false", "lock.sha256": hashlib.sha256(LOCK.encode()).hexdigest(),
    "data.sha256": "d" * 64, "system.threads": "2", "system.python": "3.11.9", "package.torch": "2.13.0+cu130",
}  # fmt: skip
CONFIG = "data: {name: wine, raw_dir: data/raw, path: null}\nmlflow: {register: true}\nlogging: {file: a.log}\n"
VERSION = Version("house", "3", "r1", (), {})


def recipe(config: str | None = CONFIG, **tags: str | None) -> Recipe:
    changes = {name.replace("_", "."): value for name, value in tags.items()}
    found = {name: value for name, value in {**TAGS, **changes}.items() if value is not None}
    return read_recipe(VERSION, found, config)


def test_a_record_that_is_whole():
    found = recipe()
    assert (found.commit, found.data, found.threads, found.torch) == (COMMIT, "d" * 64, "2", "cuda")
    assert found.table == RawTable("wine", "d" * 64, ("data/raw",))
    assert recipe(package_torch="2.13.0+cpu").torch == recipe(package_torch="2.13.0").torch == "cpu"
    assert recipe(system_threads="unset").threads is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"git_commit": "unknown"}, "was trained outside a commit: nothing says with what code"),
        ({"git_dirty": "true"}, "was trained with uncommitted changes: nothing says what they were"),
        ({"git_dirty": "unknown"}, "its run does not say whether commit cccccccccccc was all of the code"),
        ({"git_dirty": None}, "its run does not say whether commit"),
        ({"data_sha256": None}, "its run r1 has no tag data.sha256: nothing says on what data"),
        ({"config": None}, "its run r1 has no config.yaml: nothing says with what configuration"),
        ({"config": "- a\n"}, "config.yaml of its run r1 is not a configuration of `train`"),
        ({"config": "a: [\n"}, "config.yaml of its run r1 is not a configuration of `train`"),
        ({"config": "url: ${oc.env:HOME}\n"}, r"config.yaml of its run r1 holds \$\{…\}: somebody has changed it"),
    ],
)
def test_what_is_not_recorded_is_named(changes, message):
    with pytest.raises(UserError, match=rf"^house version 3:? {message}") as refused:
        recipe(**changes)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], "name one version: version=3, or reference="),
        (["version=3", "reference=models:/a@dev"], "name one version"),
        (["version=0"], "greater than or equal to 1"),
        (["version=3", "tolerance=-1"], "greater than or equal to 0"),
        (["version=3", "environment=old"], "Input should be 'auto' or 'current'"),
    ],
)
def test_a_wrong_question_is_one_line(monkeypatch, overrides, message):
    monkeypatch.chdir(ROOT)
    with pytest.raises(UserError, match=message):
        validate(ReproduceConfig, composed("reproduce", *overrides))


def test_a_version_is_named_by_its_number_or_by_a_reference(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert validate(ReproduceConfig, composed("reproduce", "version=3")).named == f"models:/{PACKAGE}/3"
    assert validate(ReproduceConfig, composed("reproduce", "reference=models:/a@dev")).named == "models:/a@dev"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A project with its lock, and a checkout of it; what uv is asked is kept."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkout").mkdir()
    for folder in (tmp_path, tmp_path / "checkout"):
        (folder / "uv.lock").write_text(LOCK)
    return tmp_path


def chosen(folder: Path, choice: str = "auto", installed: str = "2.13.0+cu130", **tags: str):
    asked = []
    found = environment_for(
        recipe(**tags), choice, {"package.torch": installed}, folder / "checkout", lambda *call: asked.append(call)
    )
    return found, asked


def test_with_the_same_lock_and_libraries_it_is_this_interpreter(here):
    found, asked = chosen(here)
    assert (found.python, found.why, asked) == (sys.executable, "this environment: its lock is the recorded one", [])
    assert chosen(here, lock_sha256="unknown")[0].why == "this environment: the training had no lock"


@pytest.mark.parametrize("difference", ["lock", "no lock", "library"])
def test_else_uv_makes_one_from_the_recorded_lock(here, monkeypatch, difference):
    (here / "bin").mkdir()
    uv = here / "bin/uv"
    uv.write_text("#!/bin/sh\n")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", str(here / "bin"))
    if difference == "lock":
        (here / "uv.lock").write_text("version = 2\n")
    elif difference == "no lock":
        (here / "uv.lock").unlink()
    found, asked = chosen(here, installed="2.12.0" if difference == "library" else "2.13.0+cu130")
    assert found.python == str(here / "checkout/.venv/bin/python")
    extras = ["--extra", "train", "--extra", "cuda"]
    command = [str(uv), "sync", "--locked", "--no-default-groups", "--python", "3.11", *extras]
    assert asked == [(command, {"UV_PROJECT_ENVIRONMENT": str(here / "checkout/.venv")})]
    assert chosen(here, "current", "2.12.0")[0].python == sys.executable
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match=r"there is no uv to install them: put it on the PATH, or take environment="):
        chosen(here, installed="2.12.0")


@pytest.mark.parametrize(("text", "has"), [(None, "no uv.lock"), ("version = 2\n", r"another uv.lock \(\w{12}\)")])
def test_a_lock_that_the_commit_does_not_have_is_one_line(here, text, has):
    locked = here / "checkout/uv.lock"
    locked.unlink() if text is None else locked.write_text(text)
    with pytest.raises(UserError, match=rf"and its commit cccccccccccc has {has}: environment=current refits"):
        chosen(here)
    assert chosen(here, "current")[0].why == "this environment, as asked for"


def refuse() -> Path:
    raise UserError("it does not answer")


def test_raw_bytes_are_found_by_their_fingerprint(tmp_path):
    text = b"a,b\n1,2\n"
    print_of = hashlib.sha256(text).hexdigest()
    table = RawTable("wine", print_of, ())
    stores = {name: FolderStore(str(tmp_path / name)) for name in ("near", "far")}
    for name, content in (("near", b"damaged"), ("far/deep", text)):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / f"wine-{print_of[:16]}.csv").write_bytes(content)
    found, where = find_raw(table, stores, tmp_path, refuse)
    assert (found.read_bytes(), where) == (text, "far")
    renamed = found.rename(tmp_path / "near/last year's.csv")
    assert find_raw(table, stores, tmp_path, refuse) == (renamed, "near")
    renamed.unlink()
    with pytest.raises(UserError, match=rf"{print_of} .*not in near, far; its source: it does not answer\): data"):
        find_raw(table, stores, tmp_path, refuse)
    other = tmp_path / "other.csv"
    other.write_bytes(b"a,b\n1,3\n")
    now = hashlib.sha256(other.read_bytes()).hexdigest()
    with pytest.raises(UserError, match=rf"sha256 {print_of} is not .*its source gives sha256 {now} now") as refused:
        find_raw(table, {}, tmp_path, lambda: other)
    assert len(str(refused.value).splitlines()) == 1
    other.write_bytes(text)
    assert find_raw(table, {}, tmp_path, lambda: other) == (other, "source")


def test_facts_that_changed_are_named_and_the_contract_counts():
    made = {"commit": COMMIT, "dirty": False, "lock": "a" * 64, "data": "d" * 64, "config": "e" * 64}
    contract = Contract(name="house", columns=(), targets=(), provenance=made)
    recorded = facts_of({**TAGS, "mlflow.user": "me", "data.rows": "10", "git.branch": "main"}, contract)
    assert recorded["lock.sha256"] == "a" * 64
    assert not {"mlflow.user", "git.branch"} & set(recorded)
    assert changed(recorded, recorded) == ()
    now = {name: value for name, value in recorded.items() if name != "data.rows"}
    now |= {"system.threads": "4", "system.cpu": "One", "config.sha256": "f" * 64}
    assert changed(recorded, now) == (
        Fact("config.sha256", "e" * 64, "f" * 64),
        Fact("data.rows", "10", None),
        Fact("system.cpu", None, "One"),
        Fact("system.threads", "2", "4"),
    )


def test_a_checkout_that_cannot_be_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"is not the root of a git repository"), checked_out(COMMIT, tmp_path / "c"):
        pass
    subprocess.run(["git", "init", "-q"], check=True)
    unknown = rf"^this repository has no commit {COMMIT}: fetch it"
    with pytest.raises(UserError, match=unknown), checked_out(COMMIT, tmp_path / "c"):
        pass
    assert not (tmp_path / "c").exists()


def test_a_process_of_a_refit_sees_no_registry_and_fails_in_its_last_line(tmp_path, monkeypatch):
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_PASSWORD", "GIT_DIR"):
        monkeypatch.setenv(name, "somewhere")
    shop = Workshop(tmp_path, tmp_path / "refit.log")
    shop.checkout.mkdir()
    code = "import os, sys; print(sorted(os.environ)); sys.exit('error: it did not converge')"
    with pytest.raises(UserError, match=r"^it did not converge \(.*refit.log has all of it\)$"):
        shop.run([sys.executable, "-c", code], {"MORE": "1"})
    printed = (tmp_path / "refit.log").read_text()
    assert "'MORE'" in printed
    assert "MLFLOW_" not in printed
    assert "GIT_DIR" not in printed


def test_another_code_than_the_commits_is_refused(tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    command = [sys.executable, "-P", runner.__file__, PACKAGE, "fetch", "config.yaml", "answer.json"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert done.stderr.endswith("fetch.py was imported in place of the commit's own code\n")
