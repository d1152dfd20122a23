"""A server whose registry goes down, comes back or loses what it had, at the start and later."""

from pathlib import Path
from threading import Event

import pytest

from {{ cookiecutter.project_slug }}.ports import UserError

from tests.followers import REFERENCE, Server, started
from tests.registries import FollowedRegistry
from tests.servables import write_servable


def test_the_registry_goes_down_and_comes_back(registry: FollowedRegistry, tmp_path: Path, log: list[str]) -> None:
    server = started(registry)
    registry.down = True
    for _ in range(3):
        server.following.poll()
    assert server.following.describe()["registry"] == "does not answer"
    assert not server.following.answers
    registry.add("2", write_servable(tmp_path / "v2", bias=1.0))
    registry.down, registry.down_for_downloads = False, True
    server.following.poll()
    assert server.numbers == ["1"]
    assert server.following.describe()["refused"] is None  # it is no fault of the version
    registry.down_for_downloads = False
    server.following.poll()
    assert server.numbers == ["1", "2"]
    lost = "the registry does not answer, trying on: the registry is down"
    back = "the registry answers again"
    assert [line for line in log if line in (lost, back)] == [lost, back, lost, back]


def test_a_download_that_fails_is_said_once_and_tried_again(
    registry: FollowedRegistry, tmp_path: Path, log: list[str]
) -> None:
    server = started(registry)
    registry.add("2", tmp_path / "v2")
    for _ in range(3):
        server.following.poll()
    assert server.results == {"swapped": 1, "unavailable": 1}
    trouble = "version 2 cannot be had: no artifact of version 2"
    assert server.following.describe()["trouble"] == trouble
    assert log.count(f"{REFERENCE}: {trouble}") == 1
    write_servable(tmp_path / "v2")
    server.following.poll()
    assert server.numbers == ["1", "2"]
    assert server.following.describe()["trouble"] is None


def test_an_alias_that_is_removed_changes_nothing(registry: FollowedRegistry, log: list[str]) -> None:
    server = started(registry)
    registry.alias = None
    for _ in range(2):
        server.following.poll()
    assert server.numbers == ["1"]
    assert server.following.describe()["trouble"] == "no version has the alias 'dev'"
    assert log.count(f"{REFERENCE}: no version has the alias 'dev'") == 1


def test_a_start_while_the_registry_is_down(registry: FollowedRegistry, log: list[str]) -> None:
    started(registry)
    registry.down = True
    server = started(registry)
    assert server.numbers == ["1"]
    assert server.following.describe()["from"] == "last good"
    assert f"serving the last good servable of {REFERENCE}, version 1" in log
    registry.down = False
    server.following.poll()
    assert server.numbers == ["1"]
    assert server.following.describe()["from"] == "registry"


def test_a_start_with_neither_registry_nor_last_good(registry: FollowedRegistry, tmp_path: Path) -> None:
    registry.down = True
    server = started(registry)
    server.following.poll()
    assert server.numbers == []
    assert not server.following.done
    registry.down = False
    server.following.poll()
    assert server.numbers == ["1"]
    other = Server(FollowedRegistry(tmp_path / "cache"), "models:/house@prod")
    assert other.disk.read() == []  # the record is of one reference


def test_a_start_on_a_broken_version(registry: FollowedRegistry, tmp_path: Path) -> None:
    started(registry)
    folder = write_servable(tmp_path / "v2")
    (folder / "model.onnx").write_bytes(b"x")
    registry.add("2", folder)
    server = started(registry)
    assert server.numbers == ["1"]
    assert server.following.describe()["from"] == "last good"
    assert server.following.describe()["refused"]["version"] == "2"
    server.following.poll()
    assert server.numbers == ["1"]
    alone = FollowedRegistry(tmp_path / "other")
    alone.add("2", folder)
    with pytest.raises(UserError, match="is not the file that was trained"):
        started(alone)


def test_a_mistake_at_the_start_is_an_error(registry: FollowedRegistry) -> None:
    started(registry)
    registry.alias = None
    with pytest.raises(UserError, match="no version has the alias 'dev'"):
        started(registry)


def test_following_survives_what_nobody_foresaw(registry: FollowedRegistry, log: list[str]) -> None:
    server, stop, calls = started(registry), Event(), []

    def surprise(reference: str) -> None:
        calls.append(reference)
        if len(calls) == 2:
            stop.set()
        raise ZeroDivisionError

    registry.find = surprise  # type: ignore[method-assign, assignment]
    server.following.follow(0.001, stop)
    assert len(calls) == 2
    assert log[-1] == f"a look at {REFERENCE} failed; the next one is in 0.001 s"
