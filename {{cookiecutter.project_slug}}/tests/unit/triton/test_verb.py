"""The verb without a server, and its mistakes; what answers in Triton's place."""

import signal
import socket
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from {{ cookiecutter.project_slug }}.cli.triton import triton
from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry
from {{ cookiecutter.project_slug }}.integrations.triton.repository import ModelRepository
from {{ cookiecutter.project_slug }}.integrations.triton.server import Server, _decoded
from {{ cookiecutter.project_slug }}.ports import UserError

from tests.project import PACKAGE, check_cleared, composed, make_project, store
from tests.servers import register


def test_one_at_a_time(tmp_path: Path, price: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_project(tmp_path))
    with ModelRepository(tmp_path / "models", "house").locked():
        with pytest.raises(UserError, match=r"^another process changes .*house: wait until it has ended$"):
            triton(composed("triton", f"reference={price}", "version=1", "repository=models"))
        with ModelRepository(tmp_path / "models", "other").locked():
            assert not (tmp_path / "models/house").exists()


def test_the_verb_without_a_server(tmp_path: Path, price: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_project(tmp_path))
    for number in range(1, 6):
        triton(composed("triton", f"reference={price}", f"version={number}", "repository=models", "keep=2"))
    repository = ModelRepository(tmp_path / "models", "house")
    assert repository.versions == [5, 4]
    assert repository.pointer == repository.config(5)


def test_a_signal_during_the_last_step_of_a_sync_ends_the_following(
    tmp_path: Path, price: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits until the repository is whole, and is not forgotten then."""

    rounds = []

    def pruned(*_: object) -> list[int]:
        rounds.append(1)
        if len(rounds) > 1:
            sys.exit("it goes on")
        signal.raise_signal(signal.SIGINT)
        return []

    monkeypatch.chdir(make_project(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store())
    MlflowRegistry(store()).set_alias(register(store(), price), "prod")
    monkeypatch.setattr(Server, "version", lambda *_: None)
    monkeypatch.setattr(f"{PACKAGE}.integrations.triton.swap.swap", lambda *_: None)
    monkeypatch.setattr(ModelRepository, "prune", pruned)
    with pytest.raises(KeyboardInterrupt):
        triton(composed("triton", "reference=models:/house@prod", "sync=true", "server=127.0.0.1:1", "poll_seconds=1"))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["version=null"], ": add version=<number>"),
        (["version=0"], "config: version: Input should be greater than or equal to 1, not 0"),
        (
            ["version=1", "sync=true"],
            "config: sync=true needs a server: add server=<host>:<port>, or set TRITON_SERVER",
        ),
        (
            ["version=1", "sync=true", "server=a:1", "poll_seconds=5"],
            "config: poll_seconds follows an alias: it needs sync=true and reference=models:/<name>@<alias>",
        ),
        (
            ["reference=models:/house@prod", "poll_seconds=5"],
            "config: poll_seconds follows an alias: it needs sync=true and reference=models:/<name>@<alias>",
        ),
        (["version=1", "poll_seconds=0"], "config: poll_seconds: Input should be greater than 0, not 0"),
        (["version=1", "device=tpu"], "config: device: Input should be 'cpu' or 'gpu', not 'tpu'"),
        (["version=1", "release=24.01"], "Triton '24.01' is not known here"),
        (["version=1", "server=ftp://x:1"], "server: give <host>:<port>, or https://<host>:<port>, not 'ftp://x:1'"),
        (["version=1", "server=localhost"], "server: give <host>:<port>, or https://<host>:<port>, not 'localhost'"),
        (["version=1", "server=a:b"], "server: give <host>:<port>, or https://<host>:<port>, not 'a:b'"),
        (["version=1", "server=a:65536"], "server: give <host>:<port>, or https://<host>:<port>, not 'a:65536'"),
        (["version=1", "server=a:0"], "server: give <host>:<port>, or https://<host>:<port>, not 'a:0'"),
        (
            ["version=1", "server='http://me:s3cret@a:80'"],  # pragma: allowlist secret
            "give <host>:<port>, or https://<host>:<port>, not '***@a:80'",
        ),
        (
            ["version=1", "control_key='s3cret\n'"],
            "config: control_key: it holds a line break or another control character",
        ),
    ],
)
def test_mistakes(
    tmp_path: Path, price: Path, monkeypatch: pytest.MonkeyPatch, overrides: list[str], message: str
) -> None:
    monkeypatch.delenv("TRITON_SERVER", raising=False)
    monkeypatch.chdir(make_project(tmp_path))
    with pytest.raises(UserError) as caught:
        triton(composed("triton", f"reference={price}", "repository=models", *overrides))
    assert message in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "models/house").exists()


@pytest.mark.parametrize("name", ["TRITON_SERVER", "TRITON_CONTROL_KEY"])
def test_no_test_meets_a_server_of_the_machine(name: str) -> None:
    """It would load the models of tests."""
    check_cleared(name)


ODD_ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{",
    b"SSH-2.0 hello\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 13\r\n\r\n<html></html>",
    b'HTTP/1.1 404 Not Found\r\nContent-Length: 22\r\n\r\n{"detail":"Not Found"}',
    b'HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n{"name":"x","extensions":["a"]}',
]


@pytest.mark.parametrize("answer", ODD_ANSWERS)
def test_whatever_answers_where_no_triton_is(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"

        def once() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(10_000)
                connection.sendall(answer)

        thread = threading.Thread(target=once)
        thread.start()
        with pytest.raises(UserError) as caught:
            Server(address, 10).check()
        thread.join()
    assert str(caught.value).startswith((address, f"no Triton answers at {address} (connection closed.)"))
    assert str(caught.value).endswith((": is that Triton's HTTP door?", "name another server"))
    assert len(str(caught.value).splitlines()) == 1


def test_texts_travel_as_they_are() -> None:
    sent = np.array([["grün".encode(), b""], ["日本".encode(), b"a\nb"]], object)
    assert _decoded(sent).tolist() == [["grün", ""], ["日本", "a\nb"]]
