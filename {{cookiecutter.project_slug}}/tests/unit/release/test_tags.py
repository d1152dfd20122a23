"""`promote tag=`: which release tags are believed, and the line with which the others are refused. Git is real."""

from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.promotion.release import Release, annotated, parse
from {{ cookiecutter.project_slug }}.schemas.config import validate
from {{ cookiecutter.project_slug }}.schemas.promotion import PromoteConfig

from tests.project import composed, make_project
from tests.repositories import bumped, commit, git, tag
from tests.unit.release.worlds import ANEW, MODEL, World, ask, refusal


@pytest.mark.parametrize(
    ("name", "release", "to"),
    [
        ("v1.2.0-rc.1", Release("1.2.0", 1), "staging"),
        ("v0.10.3-rc.12", Release("0.10.3", 12), "staging"),
        ("v12.0.0", Release("12.0.0", None), "prod"),
    ],
)  # fmt: skip
def test_a_name_says_number_and_alias(name, release, to):
    assert parse(name) == release
    assert (release.tag, release.to, release.major) == (name, to, int(name[1:].split(".")[0]))


@pytest.mark.parametrize(
    "name",
    ["", "1.2.0", "v1.2", "v1.2.0-rc", "v1.2.0-rc.0", "v1.2.0rc1", "v01.2.0", "v1.2.0-rc.1 ", "v1.2.0\n", "v1.2.0+a", "v١.2.0"],
)  # fmt: skip
def test_other_names_are_none(name):
    with pytest.raises(UserError) as caught:
        parse(name)
    assert str(caught.value) == f"{name!r} names no release: a tag is vX.Y.Z-rc.N for staging, or vX.Y.Z for prod"


def test_a_candidate_and_a_release(world):
    bumped(Path.cwd(), "0.1.0")
    for name, release in (("v0.1.0-rc.1", Release("0.1.0", 1)), ("v0.1.0", Release("0.1.0", None))):
        tag(Path.cwd(), name, annotated(release, "models:/m/2"))
        found = ask(world, name)
        assert (found.version.name, found.version.version, found.to) == ("m", "2", release.to)
        assert (found.new_major, found.held) == (False, False)
        world.aliases["staging"] = "2"
    assert found.facts == {"release.prod": "0.1.0"}


@pytest.mark.parametrize(
    ("annotation", "line"),
    [
        (None, f"v0.1.0-rc.1 has no annotation, so it names no model: {ANEW}"),
        ("First release", f"the annotation of v0.1.0-rc.1 has no line `Model: models:/<name>/<version>`, not one: {ANEW}"),
        (f"{MODEL}{MODEL}", f"the annotation of v0.1.0-rc.1 has 2 lines `Model: models:/<name>/<version>`, not one: {ANEW}"),
        ("Model: m version 2", f"v0.1.0-rc.1 names 'm version 2', which is not models:/<name>/<version>: {ANEW}"),
        ("Model: models:/m", f"v0.1.0-rc.1 names 'models:/m', which is not models:/<name>/<version>: {ANEW}"),
        ("Model: models:/m/latest", f"v0.1.0-rc.1 names 'models:/m/latest', which is not models:/<name>/<version>: {ANEW}"),
        ("Model:", f"v0.1.0-rc.1 names '', which is not models:/<name>/<version>: {ANEW}"),
        ("Model: models:/m@dev", "v0.1.0-rc.1 names models:/m@dev, and an alias moves: name the version by its number; " + ANEW),
        ("Model: models:/m/9", "v0.1.0-rc.1 names models:/m/9: m has no version 9; " + ANEW),
    ],
)  # fmt: skip
def test_annotations_that_name_no_version(world, annotation, line):
    bumped(Path.cwd(), "0.1.0")
    tag(Path.cwd(), "v0.1.0-rc.1", annotation)
    assert refusal(world, "v0.1.0-rc.1") == line


def test_a_tag_has_to_be_here_and_checked_out(world, tmp_path, monkeypatch):
    first = git(Path.cwd(), "rev-parse", "HEAD")[:12]
    fetch = "fetch it (`git fetch --tags`; in CI clone with tags)"
    assert refusal(world, "v0.1.0-rc.1") == f"there is no tag v0.1.0-rc.1 here: {fetch}"
    second = bumped(Path.cwd(), "0.1.0")[:12]
    tag(Path.cwd(), "v0.1.0-rc.1", MODEL)
    git(Path.cwd(), "checkout", "--quiet", first)
    assert refusal(world, "v0.1.0-rc.1") == (
        f"HEAD is at {first}, and v0.1.0-rc.1 at {second}: check it out, `git checkout v0.1.0-rc.1`"
    )
    monkeypatch.chdir(make_project(tmp_path / "nothing"))
    assert refusal(world, "v0.1.0-rc.1") == (
        f"{Path.cwd()} is not the root of a git repository that git reads: run this in the project's clone"
    )


def test_the_annotation_decides_the_model(world):
    bumped(Path.cwd(), "0.1.0")
    tag(Path.cwd(), "v0.1.0-rc.1", MODEL)
    assert ask(world, "v0.1.0-rc.1", "mlflow.model=m").version.name == "m"
    assert refusal(world, "v0.1.0-rc.1", "mlflow.model=other") == (
        "v0.1.0-rc.1 names the model m, and mlflow.model is other: leave it out"
    )


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["tag=v0.1.0", "version=2"], "config: tag says which version goes where: leave version and to out"),
        (["tag=v0.1.0", "to=prod"], "config: tag says which version goes where: leave version and to out"),
        (["to=prod"], "config: version is not set: promote takes version=<number> to=<alias>, or tag=<name>"),
        (["version=2"], "config: to is not set: promote takes version=<number> to=<alias>, or tag=<name>"),
    ],
)  # fmt: skip
def test_either_a_tag_or_a_version(trained, overrides, line):
    with pytest.raises(UserError) as caught:
        validate(PromoteConfig, composed("promote", *overrides))
    assert str(caught.value) == line


def test_version_and_changelog_carry_the_number(world):
    bump = "bump the version with `make release`, and tag the commit that it makes, not this one as v0.2.0-rc.1"
    tag(Path.cwd(), "v0.2.0-rc.1", MODEL)
    assert refusal(world, "v0.2.0-rc.1") == f"VERSION says '0.1.0' at the tagged commit, not '0.2.0': {bump}"
    commit(Path.cwd(), "Bump", VERSION="0.2.0\n")
    tag(Path.cwd(), "v0.2.0-rc.2", MODEL)
    said = refusal(world, "v0.2.0-rc.2")
    assert said == f"CHANGELOG.md has no section `## [0.2.0]` at the tagged commit: {bump[:-1]}2"
    Path("VERSION").unlink()
    commit(Path.cwd(), "Drop")
    tag(Path.cwd(), "v0.2.0-rc.3", MODEL)
    assert refusal(world, "v0.2.0-rc.3") == f"VERSION is not there at the tagged commit, not '0.2.0': {bump[:-1]}3"


@pytest.mark.parametrize(
    ("status", "provenance", "line"),
    [
        ("FAILED", {}, "the run that trained m version 2 is FAILED, not FINISHED: train again, and release that version"),
        ("absent", {}, "the run that trained m version 2 is absent, not FINISHED: train again, and release that version"),
        ("FINISHED", {"dirty": True}, "m version 2 was trained with uncommitted changes: commit them, train again, and release that version"),
        ("FINISHED", {"dirty": None}, "m version 2 was trained where git could not say whether all was committed: train again, and release that version"),
        ("FINISHED", {"commit": None}, "m version 2 was trained outside a git repository with a commit: commit the project, train again, and release that version"),
    ],
)  # fmt: skip
def test_what_was_trained_is_known(trained, tmp_path, status, provenance, line):
    world = World(tmp_path / "servable", status, **{"commit": trained, **provenance})
    bumped(Path.cwd(), "0.1.0")
    tag(Path.cwd(), "v0.1.0-rc.1", MODEL)
    assert refusal(world, "v0.1.0-rc.1") == line


@pytest.mark.parametrize(
    ("files", "path"),
    [
        ({"src__model_py": "second\n"}, "src"),
        ({"src__new_py": "", "config__train_yaml": "seed: 2\n"}, "src"),
        ({"config__train_yaml": "seed: 2\n", "uv_lock": "version = 2\n"}, "config"),
        ({"uv_lock": "version = 2\n"}, "uv.lock"),
    ],
)  # fmt: skip
def test_what_is_released_is_what_was_trained(world, trained, files, path):
    commit(Path.cwd(), "Change", docs__page_md="other files may\n", **files)
    bumped(Path.cwd(), "0.1.0")
    tag(Path.cwd(), "v0.1.0-rc.1", MODEL)
    assert refusal(world, "v0.1.0-rc.1") == (
        f"{path} is not the same in v0.1.0-rc.1 and in commit {trained[:12]}, which trained m version 2: "
        "tag a commit where it is, or train again and release that version"
    )


def test_a_change_that_was_taken_back_is_none(world):
    commit(Path.cwd(), "Change", src__model_py="second\n")
    commit(Path.cwd(), "Take it back", src__model_py="first\n", README_md="new\n")
    bumped(Path.cwd(), "0.1.0")
    tag(Path.cwd(), "v0.1.0-rc.1", MODEL)
    assert ask(world, "v0.1.0-rc.1").version.version == "2"


def test_a_lock_has_to_be_committed(trained, world):
    git(Path.cwd(), "rm", "--quiet", "uv.lock")
    world.made_from(commit=commit(Path.cwd(), "Drop the lock"))
    bumped(Path.cwd(), "0.1.0")
    tag(Path.cwd(), "v0.1.0-rc.1", MODEL)
    line = "uv.lock is not in the commit of v0.1.0-rc.1: commit it, train again, and release that"
    assert refusal(world, "v0.1.0-rc.1") == line


def test_history_leads_from_what_was_trained_to_what_is_released(world, trained):
    git(Path.cwd(), "checkout", "--quiet", "-b", "side")
    aside = commit(Path.cwd(), "Aside")
    git(Path.cwd(), "checkout", "--quiet", "main")
    head = bumped(Path.cwd(), "0.1.0")
    tag(Path.cwd(), "v0.1.0-rc.1", MODEL)
    world.made_from(commit=aside)
    assert refusal(world, "v0.1.0-rc.1") == (
        f"v0.1.0-rc.1 does not descend from commit {aside[:12]}, which trained m version 2: "
        f"merge the commit that trained it, and tag the result, not {head[:12]}"
    )
    world.made_from(commit="a" * 40)
    assert refusal(world, "v0.1.0-rc.1") == (
        "this clone lacks commit aaaaaaaaaaaa, which trained m version 2: merge the branch that has it, and tag the result"
    )


def test_a_shallow_clone_is_named(world, trained, tmp_path, monkeypatch):
    bumped(Path.cwd(), "0.1.0")
    tag(Path.cwd(), "v0.1.0-rc.1", MODEL)
    origin = Path.cwd().as_uri()
    git(tmp_path, "clone", "--quiet", "--depth", "1", "--branch", "v0.1.0-rc.1", origin, "clone")
    monkeypatch.chdir(tmp_path / "clone")
    assert refusal(world, "v0.1.0-rc.1") == (
        f"this clone lacks commit {trained[:12]}, which trained m version 2: "
        "fetch the whole history (`git fetch --unshallow`; in CI clone with depth 0)"
    )
    git(Path.cwd(), "fetch", "--quiet", "--unshallow")
    assert ask(world, "v0.1.0-rc.1").version.version == "2"
