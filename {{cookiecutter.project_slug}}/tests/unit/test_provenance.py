"""Which changes make a tree dirty."""

from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.utils.provenance import code

from tests.repositories import first_commit


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """One commit, in the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("made/a.txt", "made[1].txt", "made2/a.txt", "mine.txt"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("first\n")
    first_commit(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("generated", "changed", "dirty"),
    [
        ((), [], False),
        ((), ["made/a.txt"], True),
        (("made",), ["made/a.txt", "made/new.txt"], False),
        (("made",), ["made2/a.txt"], True),
        (("made", "made[1].txt"), ["made[1].txt"], False),
        (("made[1].txt",), ["made1.txt"], True),
        (("absent",), ["absent"], False),
        (("made",), ["made/a.txt", "mine.txt"], True),
        (("*",), ["mine.txt"], True),
    ],
)
def test_what_tools_rewrite_does_not_count(repository, generated, changed, dirty):
    for name in changed:
        Path(name).write_text("second\n")
    found = code(generated)
    assert found.dirty is dirty
    assert found.commit is not None
    assert any("uncommitted changes" in gap for gap in found.gaps) is dirty


def test_a_tree_of_which_git_says_nothing_is_not_clean(repository):
    Path("mine.txt").write_text("second\n")
    found = code(("../elsewhere",))
    assert found.commit is not None
    assert found.dirty is None
    assert "`git status` fails" in found.gaps[0]


@pytest.mark.parametrize(
    ("revision", "commit", "dirty"),
    [
        ("a" * 40, "a" * 40, False),
        ("b" * 64 + "-dirty", "b" * 64, True),
        ("unknown", None, None),
        ("", None, None),
        (None, None, None),
        ("a" * 40 + "-changed", None, None),
    ],
)
def test_an_image_says_what_it_was_built_from(tmp_path, monkeypatch, revision, commit, dirty):
    monkeypatch.chdir(tmp_path)
    Path("uv.lock").write_text("version = 1\n")
    found = code((), revision)
    assert (found.commit, found.dirty) == (commit, dirty)
    assert [gap for gap in found.gaps if gap.startswith("no commit")] == ([] if commit else found.gaps)


def test_a_repository_knows_better_than_an_image(repository):
    assert code((), "a" * 40 + "-dirty").commit not in (None, "a" * 40)
    assert code((), "a" * 40 + "-dirty").dirty is False
