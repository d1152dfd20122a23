"""What the stack's commands refuse in one line, before anything is started or written; the engine is a stand-in."""

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.ports import UserError

from deployment.docker.stack import __main__ as verbs
from deployment.docker.stack import backup
from deployment.docker.stack.engine import Engine
from tests.project import ROOT

STAND_IN = """#!/bin/sh
echo "$@" >>"$ASKED"
[ "$1 $2" = "volume ls" ] && echo "$VOLUMES"
case "$*" in *" out "*) cat "$ARCHIVE";; esac
[ "$1" = info ] && exit "${ENGINE_STATUS:-0}"
[ "$1 $2" = "compose config" ] && echo '{"name": "some", "services": {}}'
exit 0
"""
FILES = (backup.DUMP, backup.FILES, backup.SECRETS)


def archive(*names: str, said: str | None = None) -> bytes:
    """Objects as the registry's container hands them out, and the number that it says of them."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for name, text in [*((name, "some") for name in names), (backup.LAST, said or str(len(names)))]:
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return written.getvalue()


WHOLE = archive("1/model.onnx", "1/contract.json")
BROKEN = {
    "nothing came": b"",
    "within an object": WHOLE[:700],
    "behind an object": WHOLE[:1024],
    "behind all objects": WHOLE[:2048],
    "an object less": archive("1/contract.json", said="2"),
}


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
    monkeypatch.setenv("ARCHIVE", str(tmp_path / "archive"))
    (tmp_path / "archive").write_bytes(WHOLE)
    return folder


def written(folder: Path, secret: str = "old") -> Path:
    """A backup."""
    folder.mkdir()
    for name in FILES:
        (folder / name).write_text(f"STACK_A_PASSWORD={secret}\nSTACK_VERSION=1.0.0\nSTACK_API_PORT=7\n")
    (folder / backup.FILES).write_bytes(WHOLE)
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
    up, copied, restored = (
        asked.index(word) for word in ("up --detach --wait postgres seaweedfs", "mlflow python -c", "pg_restore")
    )
    assert up < copied < restored  # killed between the two, it leaves no registry that lacks files


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


def test_objects_come_by_exec(project: Path) -> None:
    """`docker compose run` can lose a part of what a container writes, and succeed."""
    (project / ".env").write_text("STACK_A_PASSWORD=new\n")
    folder = backup.back_up(Engine(project, []), project, project / "backups/one")
    assert (folder / backup.FILES).read_bytes() == WHOLE
    assert "compose exec -T mlflow python -c" in (project.parent / "asked").read_text()


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_backup_that_is_cut_off_is_none(project: Path, broken: bytes) -> None:
    (project / ".env").write_text("STACK_A_PASSWORD=new\n")
    (project.parent / "archive").write_bytes(broken)
    with pytest.raises(UserError, match=r"files\.tar was cut off, or is of another version: it does not end with"):
        backup.back_up(Engine(project, []), project, project / "backups/one")
    assert list((project / "backups").iterdir()) == []


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_backup_that_is_cut_off_is_not_restored(project: Path, broken: bytes) -> None:
    folder = written(project.parent / "backup")
    (folder / backup.FILES).write_bytes(broken)
    with pytest.raises(UserError, match=r"backup/files\.tar was cut off"):
        backup.restore(Engine(project, []), project, folder)
    assert not (project / ".env").exists()
    assert " up " not in (project.parent / "asked").read_text()


@pytest.mark.parametrize("verb", [verbs.up, verbs.down])
@pytest.mark.parametrize("text", [None, "STACK_API_PORT=7\n"])
def test_volumes_of_another_env(
    project: Path, monkeypatch: pytest.MonkeyPatch, verb: Callable[[Engine], None], text: str | None
) -> None:
    """Secrets that are made anew open nothing, and would stop what runs."""
    monkeypatch.setattr(verbs, "PROJECT", project)
    monkeypatch.setenv("VOLUMES", "some_postgres")
    if text:
        (project / ".env").write_text(text)
    with pytest.raises(
        UserError,
        match=r"^volume some_postgres was made with another \.env, and .*\.env has no STACK_POSTGRES_PASSWORD",
    ):
        verb(Engine(project, []))
    assert (text is None) is not (project / ".env").exists()
    assert text is None or (project / ".env").read_text() == text
    asked = (project.parent / "asked").read_text().splitlines()
    assert asked == ["info", "compose config --no-interpolate --format json", asked[-1]]
    assert asked[-1].endswith("label=com.docker.compose.project=some")


def test_where_no_stack_is_down_makes_no_secrets(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verbs, "PROJECT", project)
    verbs.down(Engine(project, []))
    assert capsys.readouterr().out == "there is no stack to stop\n"
    assert not (project / ".env").exists()
    assert "down" not in (project.parent / "asked").read_text()


@pytest.mark.parametrize("verb", [["up"], ["down"], ["backup"], ["restore", "somewhere"]])
def test_without_an_engine_it_is_one_line(project: Path, verb: list[str]) -> None:
    command = [sys.executable, "-m", "deployment.docker.stack", *verb]
    environment = os.environ | {"ENGINE_STATUS": "1", "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: no container engine answers `docker info`: start one, or set DOCKER_HOST\n"
