"""What the stack's commands refuse in one line, before anything is started or written; the engine is a stand-in."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.ports import UserError

from deployment.docker.stack import backup
from deployment.docker.stack.engine import Engine
from tests.project import ROOT

STAND_IN = """#!/bin/sh
echo "$@" >>"$ASKED"
[ "$1 $2" = "volume ls" ] && echo "$VOLUMES"
[ "$1" = info ] && exit "${ENGINE_STATUS:-0}"
[ "$1 $2" = "compose config" ] && echo '{"name": "some", "services": {}}'
exit 0
"""
FILES = (backup.DUMP, backup.FILES, backup.SECRETS)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A compose.yaml with one secret, and an engine that does nothing."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "compose.yaml").write_text("a: ${STACK_A_PASSWORD:?run}\nb: ${STACK_VERSION:?run}\n")
    (folder / "VERSION").write_text("1.2.3\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/docker").write_text(STAND_IN)
    (tmp_path / "bin/docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("ASKED", str(tmp_path / "asked"))
    monkeypatch.setenv("VOLUMES", "")
    return folder


def written(folder: Path, secret: str = "old") -> Path:
    """A backup."""
    folder.mkdir()
    for name in FILES:
        (folder / name).write_text(f"STACK_A_PASSWORD={secret}\nSTACK_VERSION=1.0.0\nSTACK_API_PORT=7\n")
    return folder


@pytest.mark.parametrize("lacking", FILES)
def test_a_folder_that_is_no_backup(project: Path, lacking: str) -> None:
    folder = written(project.parent / "backup")
    (folder / lacking).unlink()
    with pytest.raises(
        UserError, match=rf"backup is no backup: it has no {lacking}; name a folder that make stack-backup"
    ):
        backup.restore(Engine(project, []), project, folder)
    assert not (project / ".env").exists()


def test_other_secrets(project: Path) -> None:
    (project / ".env").write_text("STACK_A_PASSWORD=new\n")
    with pytest.raises(UserError, match=r"^STACK_A_PASSWORD of .*\.env is not the backup's: move that file away"):
        backup.restore(Engine(project, []), project, written(project.parent / "backup"))
    assert (project / ".env").read_text() == "STACK_A_PASSWORD=new\n"


def test_a_stack_that_holds_something(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLUMES", "some_postgres")
    with pytest.raises(
        UserError, match=r"^the stack holds something, volume some_postgres: delete it as docs/stack\.md"
    ):
        backup.restore(Engine(project, []), project, written(project.parent / "backup"))
    assert not (project / ".env").exists()
    assert " up " not in (project.parent / "asked").read_text()


def test_an_empty_stack_is_filled_before_the_registry_starts(project: Path) -> None:
    backup.restore(Engine(project, []), project, written(project.parent / "backup"))
    text = (project / ".env").read_text()
    assert "STACK_A_PASSWORD=old\n" in text
    assert "STACK_API_PORT=7\n" in text
    assert "STACK_VERSION=1.2.3\n" in text  # the code's, and not the backup's
    asked = (project.parent / "asked").read_text()
    up, restored, copied = (
        asked.index(word) for word in ("up --detach --wait postgres seaweedfs", "pg_restore", "mlflow python -c")
    )
    assert up < restored < copied


def test_a_backup_never_takes_a_folder_that_is_there(project: Path) -> None:
    (project / ".env").write_text("STACK_A_PASSWORD=new\n")
    with pytest.raises(UserError, match=r"project is there already: name a new folder"):
        backup.back_up(Engine(project, []), project, project)


def test_a_backup_is_for_its_owner_alone(project: Path) -> None:
    (project / ".env").write_text("STACK_A_PASSWORD=new\n")
    folder = backup.back_up(Engine(project, []), project, project / "backups/one")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert (folder / backup.SECRETS).read_text() == "STACK_A_PASSWORD=new\n"


@pytest.mark.parametrize("verb", [["up"], ["down"], ["backup"], ["restore", "somewhere"]])
def test_without_an_engine_it_is_one_line(project: Path, verb: list[str]) -> None:
    command = [sys.executable, "-m", "deployment.docker.stack", *verb]
    environment = os.environ | {"ENGINE_STATUS": "1", "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: no container engine answers `docker info`: start one, or set DOCKER_HOST\n"
