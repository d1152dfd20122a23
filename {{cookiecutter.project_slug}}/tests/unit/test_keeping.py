"""What a run leaves in a folder of one's choice: whole, or not at all, and never over something else."""

import shutil

import pytest

from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.utils.files import WriteError, copy_new


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    (folder / "figures").mkdir(parents=True)
    (folder / "figures/a.png").write_bytes(b"png")
    (folder / "metrics.json").write_text("{}\n")
    return folder


@pytest.mark.parametrize("there", [False, True])
def test_into_a_folder_that_is_not_there_or_empty(source, tmp_path, there):
    folder = tmp_path / "a/b"
    if there:
        folder.mkdir(parents=True)
    copy_new(source, folder)
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")) == [
        "figures",
        "figures/a.png",
        "metrics.json",
    ]
    assert [path.name for path in folder.parent.iterdir()] == ["b"]


def test_what_is_there_stays(source, tmp_path):
    full, file = tmp_path / "full", tmp_path / "file"
    full.mkdir()
    for path in (full / "mine.txt", file):
        path.write_text("mine")
    for place in (full, file):
        with pytest.raises(UserError, match=f"^{place} is there already: nothing is overwritten; "):
            copy_new(source, place)
    assert (full / "mine.txt").read_text() == file.read_text() == "mine"


def at_the_end_of_the_copy(monkeypatch, source, action):
    """Have something happen when everything is copied."""
    copytree = shutil.copytree

    def copied(*arguments, **options):
        copytree(*arguments, **options)
        if arguments[0] == source:
            action()

    monkeypatch.setattr(shutil, "copytree", copied)


def test_two_at_once_leave_one_of_them(source, tmp_path, monkeypatch):
    at_the_end_of_the_copy(monkeypatch, source, lambda: shutil.copytree(source / "figures", tmp_path / "kept"))
    with pytest.raises(WriteError, match=r"^cannot write .*/kept: Directory not empty"):
        copy_new(source, tmp_path / "kept")
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["a.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "source"]


def test_interrupted_in_the_midst_leaves_nothing(source, tmp_path, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    at_the_end_of_the_copy(monkeypatch, source, interrupt)
    with pytest.raises(KeyboardInterrupt):
        copy_new(source, tmp_path / "kept")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]
