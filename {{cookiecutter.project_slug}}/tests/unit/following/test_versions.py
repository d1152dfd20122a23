"""A server follows the alias: versions are swapped, or refused for a reason and remembered."""

import gc
import json
import shutil
import weakref
from pathlib import Path
from threading import Event

import pytest

from {{ cookiecutter.project_slug }}.inference.references import Resolved
from {{ cookiecutter.project_slug }}.schemas.contract import Contract

from tests.followers import REFERENCE, Loaded, load, started
from tests.registries import FollowedRegistry
from tests.servables import write_servable


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


def raised(error: Exception) -> Loaded:
    raise error


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
