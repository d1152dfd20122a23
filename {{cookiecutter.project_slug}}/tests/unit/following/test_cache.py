"""The servables that a server keeps on disk: damaged, locked, removed by hand, and cleaned away."""

import shutil
from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.inference.last_good import inode
from {{ cookiecutter.project_slug }}.inference.references import Resolved

from tests.followers import started
from tests.registries import FollowedRegistry
from tests.servables import write_servable


def test_a_copy_that_is_damaged_on_disk_is_downloaded_again(registry: FollowedRegistry) -> None:
    server = started(registry)
    (server.served[0].resolved.folder / "model.onnx").write_bytes(b"x")
    assert started(registry).numbers == ["1"]
    assert registry.downloads == ["1", "1"]


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


def test_a_damaged_last_good_leads_to_the_one_before(registry: FollowedRegistry, tmp_path: Path) -> None:
    server = started(registry)
    registry.add("2", write_servable(tmp_path / "v2", bias=1.0))
    server.following.poll()
    (registry.cache / "house/2-run2/model.onnx").write_bytes(b"x")
    registry.down = True
    assert started(registry).numbers == ["1"]


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


def test_a_record_that_cannot_be_read_stops_the_cleaning(registry: FollowedRegistry, tmp_path: Path) -> None:
    started(registry)
    (registry.cache / ".last_good/of-a-newer-format.json").write_text("{}")
    server = started(registry)
    for number in ("2", "3", "4"):
        registry.add(number, write_servable(tmp_path / f"v{number}", bias=float(number)))
        server.following.poll()
    assert len(list((registry.cache / "house").iterdir())) == 4


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
