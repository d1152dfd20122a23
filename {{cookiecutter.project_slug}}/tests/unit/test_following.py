"""What a server does while its registry changes, breaks and comes back; without web code."""

import gc
import json
import shutil
import weakref
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest
from loguru import logger

from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.inference.following import Following
from {{ cookiecutter.project_slug }}.inference.last_good import LastGood, inode
from {{ cookiecutter.project_slug }}.inference.references import Resolved
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.contract import Contract

from tests.registries import FollowedRegistry
from tests.servables import write_servable

REFERENCE = "models:/house@dev"
STORE = "http://bob:hunter2@registry:5000"


@dataclass(frozen=True)
class Loaded:
    """What a server would serve."""

    resolved: Resolved
    engine: Engine

    @property
    def contract(self) -> Contract:
        return self.engine.contract

    @property
    def number(self) -> str | None:
        return self.resolved.version.version if self.resolved.version else None


def load(resolved: Resolved) -> Loaded:
    engine = Engine(resolved.folder, 1)
    engine.check_golden()
    return Loaded(resolved, engine)


class Server:
    """One process: a new one on the same folder is a restart."""

    def __init__(self, registry: FollowedRegistry, reference: str = REFERENCE) -> None:
        self.served: list[Loaded] = []
        self.results: Counter[str] = Counter()
        self.disk = LastGood(registry.cache, STORE, reference)
        self.following = Following(
            reference,
            lambda: registry,
            load,
            self.disk,
            self.served.append,
            lambda result: self.results.update([result]),
        )

    @property
    def numbers(self) -> list[str | None]:
        return [model.number for model in self.served]


@pytest.fixture
def registry(tmp_path: Path) -> FollowedRegistry:
    fake = FollowedRegistry(tmp_path / "cache")
    fake.add("1", write_servable(tmp_path / "v1"))
    return fake


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="INFO")
    yield lines
    logger.remove(sink)


def started(registry: FollowedRegistry, reference: str = REFERENCE) -> Server:
    server = Server(registry, reference)
    server.following.start()
    return server


def reworked(folder: Path, **changed: object) -> Path:
    """The contract with other values; its digests still hold."""
    contract = json.loads((folder / "contract.json").read_text(encoding="utf-8"))
    (folder / "contract.json").write_text(json.dumps(contract | changed), encoding="utf-8")
    return folder


def answering_otherwise(folder: Path, other: Path) -> Path:
    """A servable that loads, and whose golden rows have the answers of another model."""
    shutil.copy(other / "golden.json", folder / "golden.json")
    digests = {**Contract.read(folder).digests, "golden.json": Contract.read(other).digests["golden.json"]}
    return reworked(folder, digests=digests)


def test_it_follows_the_alias(registry: FollowedRegistry, tmp_path: Path, log: list[str]) -> None:
    server = started(registry)
    server.following.poll()
    registry.add("2", write_servable(tmp_path / "v2", bias=1.0))
    server.following.poll()
    server.following.poll()
    registry.alias = "1"
    server.following.poll()
    assert server.numbers == ["1", "2", "1"]
    assert server.results == {"swapped": 3}
    assert log == [
        f"{REFERENCE} is version 1", f"{REFERENCE} is version 2 instead of 1", f"{REFERENCE} is version 1 instead of 2",
    ]  # fmt: skip
    assert server.following.describe() == {"registry": "answers", "from": "registry", "trouble": None, "refused": None}


def test_a_version_is_followed_no_further_once_it_is_loaded(registry: FollowedRegistry) -> None:
    server = started(registry, "models:/house/1")
    assert server.following.done
    server.following.follow(1e9, Event())  # returns at once
    assert server.numbers == ["1"]
    assert not started(registry).following.done


BROKEN = {
    "digest": (lambda folder, _: (folder / "model.onnx").write_bytes(b"x"), "is not the file that was trained"),
    "golden": (answering_otherwise, "4 of 5 golden rows differ"),
    "schema": (lambda folder, _: reworked(folder, schema_version=99), "unknown schema_version 99"),
    "absent": (lambda folder, _: (folder / "model.onnx").unlink(), "is incomplete: model.onnx is absent"),
    "golden rows that are none": (
        lambda folder, _: (
            (folder / "golden.json").write_text("[]"),
            reworked(folder, digests={}),
        ),
        "TypeError: ",
    ),
    "graph": (
        lambda folder, _: ((folder / "model.onnx").write_bytes(b"x"), reworked(folder, digests={})), "does not load: ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_version_is_refused_and_remembered(
    registry: FollowedRegistry, tmp_path: Path, log: list[str], name: str
) -> None:
    spoil, reason = BROKEN[name]
    server = started(registry)
    folder = write_servable(tmp_path / "v2", bias=1.0)
    spoil(folder, tmp_path / "v1")
    registry.add("2", folder)
    for _ in range(3):
        server.following.poll()
    assert server.numbers == ["1"]
    assert server.results == {"swapped": 1, "broken": 1}
    assert registry.downloads == ["1", "2", "2"]  # once more, since only the copy might have been damaged
    refused = server.following.describe()["refused"]
    assert (refused["version"], refused["result"]) == ("2", "broken")
    assert reason in refused["reason"]
    assert len([line for line in log if line.startswith(f"version 2 of {REFERENCE} is refused: ")]) == 1
    registry.add("3", write_servable(tmp_path / "v3", bias=2.0))
    server.following.poll()
    assert server.numbers == ["1", "3"]
    assert server.following.describe()["refused"] is None
    registry.alias = "2"  # the alias has moved: it is tried again
    server.following.poll()
    assert server.results == {"swapped": 2, "broken": 2}


def test_an_incompatible_version_is_refused_while_another_serves(registry: FollowedRegistry, tmp_path: Path) -> None:
    server = started(registry)
    registry.add("2", write_servable(tmp_path / "v2", "classification"))
    server.following.poll()
    server.following.poll()
    assert server.numbers == ["1"]
    assert server.results == {"swapped": 1, "incompatible": 1}
    assert server.following.describe()["refused"] == {
        "version": "2", "result": "incompatible",
        "reason": "clients could not call it unchanged: target 'price' is gone",
    }  # fmt: skip
    assert started(registry).numbers == ["2"]  # a restart is a deployment: the alias rules


def test_a_copy_that_is_damaged_on_disk_is_downloaded_again(registry: FollowedRegistry) -> None:
    server = started(registry)
    (server.served[0].resolved.folder / "model.onnx").write_bytes(b"x")
    assert started(registry).numbers == ["1"]
    assert registry.downloads == ["1", "1"]


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


def test_killed_between_download_and_record(registry: FollowedRegistry, tmp_path: Path) -> None:
    server = started(registry)
    registry.add("2", write_servable(tmp_path / "v2", bias=1.0))

    def killed(resolved: Resolved) -> None:
        raise KeyboardInterrupt

    server.disk.write = killed  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        server.following.poll()
    assert server.numbers == ["1"]
    registry.down = True
    assert started(registry).numbers == ["1"]
    registry.down = False
    assert started(registry).numbers == ["2"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"servables": [{}]}', '{"servables": [{"folder": 5}]}'])
def test_a_record_that_is_damaged_is_none(registry: FollowedRegistry, text: str) -> None:
    server = started(registry)
    (record,) = (registry.cache / ".last_good").iterdir()
    record.write_text(text)
    assert server.disk.read() == []
    assert "hunter2" not in str(list(registry.cache.rglob("*")))
    assert started(registry).numbers == ["1"]  # and is written anew
    assert [found.version.version for found in server.disk.read()] == ["1"]


def test_the_last_good_that_was_removed_by_hand(registry: FollowedRegistry, tmp_path: Path) -> None:
    server = started(registry)
    registry.add("2", write_servable(tmp_path / "v2"))
    server.following.poll()
    shutil.rmtree(registry.cache / "house/2-run2")
    registry.down = True
    assert started(registry).numbers == ["1"]  # the one before it


def test_the_cache_keeps_the_current_version_and_the_last(registry: FollowedRegistry, tmp_path: Path) -> None:
    server, other = started(registry), started(registry, "models:/house@other")
    for number in "2345":
        registry.add(number, write_servable(tmp_path / f"v{number}"))
        server.following.poll()
    (registry.cache / "house/.7-run7.deadbeef").mkdir()  # a download that was killed
    (registry.cache / "house/notes").mkdir()  # not ours
    registry.add("6", write_servable(tmp_path / "v6"))
    with other.disk.using():  # another server is downloading: nothing is removed
        server.following.poll()
    assert (registry.cache / "house/4-run4").is_dir()
    registry.alias = "5"
    server.following.poll()
    names = {path.name for path in (registry.cache / "house").iterdir()}
    assert names == {"1-run1", "5-run5", "6-run6", "notes"}  # version 1 is the other reference's
    assert server.numbers == ["1", "2", "3", "4", "5", "6", "5"]


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


def test_a_damaged_last_good_leads_to_the_one_before(registry: FollowedRegistry, tmp_path: Path) -> None:
    server = started(registry)
    registry.add("2", write_servable(tmp_path / "v2", bias=1.0))
    server.following.poll()
    (registry.cache / "house/2-run2/model.onnx").write_bytes(b"x")
    registry.down = True
    assert started(registry).numbers == ["1"]


@pytest.mark.parametrize("trouble", [MemoryError("no memory"), OSError(24, "Too many open files")])
def test_a_trouble_of_the_machine_is_not_the_version_s(
    registry: FollowedRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    server = started(registry)
    registry.add("2", write_servable(tmp_path / "v2", bias=1.0))
    with monkeypatch.context() as patch:
        patch.setattr(server.following, "_load", lambda resolved: raised(trouble))
        server.following.poll()
    assert server.numbers == ["1"]
    assert server.following.describe()["refused"] is None
    assert type(trouble).__name__ in server.following.describe()["trouble"]
    server.following.poll()
    assert server.numbers == ["1", "2"]


def raised(error: Exception) -> Loaded:
    raise error


def test_a_cache_that_cannot_be_locked_falls_back(registry: FollowedRegistry, tmp_path: Path) -> None:
    started(registry)
    registry.add("2", write_servable(tmp_path / "v2", bias=1.0))
    lock = registry.cache / ".lock"
    lock.unlink()
    lock.mkdir()
    server = started(registry)
    assert server.numbers == ["1"]
    assert "the cache cannot be used: " in server.following.describe()["trouble"]
    lock.rmdir()
    server.following.poll()
    assert server.numbers == ["1", "2"]


def test_a_copy_that_another_server_mended_is_left_alone(registry: FollowedRegistry, tmp_path: Path) -> None:
    server = started(registry)
    folder = registry.cache / "house/1-run1"
    damaged = inode(folder)
    keep = shutil.copytree(folder, tmp_path / "keep")  # so that the new folder is another one
    shutil.rmtree(folder)
    keep.rename(folder)
    server.disk.discard(folder, damaged)
    assert (folder / "model.onnx").is_file()
    server.disk.discard(folder, inode(folder))
    assert not folder.exists()


def test_a_refused_model_is_not_kept_in_memory(registry: FollowedRegistry, tmp_path: Path) -> None:
    server = started(registry)
    registry.add("2", write_servable(tmp_path / "v2", "classification"))
    loaded: list[weakref.ref[Loaded]] = []

    def watched(resolved: Resolved) -> Loaded:
        model = load(resolved)
        loaded.append(weakref.ref(model))
        return model

    server.following._load = watched
    server.following.poll()
    gc.collect()
    assert server.following.describe()["refused"]["result"] == "incompatible"
    assert [model() for model in loaded] == [None]


def test_a_record_that_cannot_be_read_stops_the_cleaning(registry: FollowedRegistry, tmp_path: Path) -> None:
    started(registry)
    (registry.cache / ".last_good/of-a-newer-format.json").write_text("{}")
    server = started(registry)
    for number in ("2", "3", "4"):
        registry.add(number, write_servable(tmp_path / f"v{number}", bias=float(number)))
        server.following.poll()
    assert len(list((registry.cache / "house").iterdir())) == 4
