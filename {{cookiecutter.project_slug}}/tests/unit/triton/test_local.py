"""The local tritonserver: what stands in the way of its installation and of its start."""

import re
import socket
import sys
from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.ports import UserError

from deployment.triton.local import __main__ as local
from deployment.triton.local import environment


def test_a_local_server_that_cannot_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(UserError, match=r"^there is no uv: run make setup first$"):
        environment.install(tmp_path / "local")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/uv").write_text("#!/bin/sh\necho some\necho 'no such package' >&2\nexit 2\n")
    (tmp_path / "bin/uv").chmod(0o755)
    with pytest.raises(UserError, match=r"^the local tritonserver cannot be installed \(no such package\)$"):
        environment.install(tmp_path / "local")
    assert not (tmp_path / "local/installed.txt").exists()  # so the next start installs again
    monkeypatch.setattr(environment.platform, "machine", lambda: "arm64")
    with pytest.raises(UserError, match=r"runs on Linux on x86-64 alone: use the release image$"):
        environment.install(tmp_path / "local")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--http", "8000"], "argument --http: give HOST:PORT, not '8000'"),
        (["--grpc", ":8001"], "argument --grpc: give HOST:PORT, not ':8001'"),
        (["--http", "127.0.0.1"], "argument --http: give HOST:PORT, not '127.0.0.1'"),
        (["--http", "127.0.0.1:65536"], "argument --http: give HOST:PORT, not '127.0.0.1:65536'"),
        (["--repository", "taken"], "error: taken: File exists"),
        (["--install"], "error: .+/taken: File exists"),
    ],
)
def test_mistakes_at_the_local_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], message: str,
) -> None:  # fmt: skip
    """Whatever they are, no server starts, which might be one for all of the machine's addresses."""
    monkeypatch.chdir(tmp_path)
    Path("taken").write_text("mine")
    monkeypatch.setenv(environment.VARIABLE, "taken")
    if "--repository" in arguments:
        monkeypatch.setattr(local, "install", lambda folder: None)
    monkeypatch.setattr(sys, "argv", ["local", *arguments])
    with pytest.raises(SystemExit) as caught:
        local.main()
    assert caught.value.code not in (0, None)
    assert re.search(message + "$", capsys.readouterr().err.strip() or str(caught.value.code))


def test_a_door_that_is_taken_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "install", lambda folder: None)
    with socket.socket() as taken, socket.socket() as free:
        for door in (taken, free):
            door.bind(("127.0.0.1", 0))
        taken.listen()
        doors = [f"127.0.0.1:{door.getsockname()[1]}" for door in (free, taken)]
        free.close()
        arguments = ["--repository", str(tmp_path / "models"), "--http", doors[0], "--grpc", doors[1]]
        monkeypatch.setattr("sys.argv", ["local", *arguments])
        said = rf"^error: cannot listen on {doors[1]} \(Address already in use\): set --grpc$"
        with pytest.raises(SystemExit, match=said):
            local.main()


def test_a_folder_for_several_projects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(environment.VARIABLE, raising=False)
    assert environment.home() == tmp_path / ".triton"
    monkeypatch.setenv(environment.VARIABLE, str(tmp_path / "shared"))
    assert environment.home() == tmp_path / "shared"
