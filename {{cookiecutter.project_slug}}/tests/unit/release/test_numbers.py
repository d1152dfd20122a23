"""`promote tag=`: what the numbers of earlier releases allow, and what a pipeline finds that runs again."""

from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.cli.moving import load, load_incumbent
from {{ cookiecutter.project_slug }}.integrations.mlflow_store import ForbiddenError
from {{ cookiecutter.project_slug }}.ports import UnreachableError, UserError

from tests.project import make_project
from tests.repositories import bumped, tag
from tests.unit.release.worlds import ANEW, MODEL, ask, refusal


@pytest.mark.parametrize(
    ("facts", "name", "line"),
    [
        ({"2": {"release.prod": "0.0.9"}}, "v0.1.0-rc.1",
         "m version 2 was released as 0.0.9, so it does not become 0.1.0-rc.1: train a new version"),
        ({"1": {"release.prod": "0.1.0"}}, "v0.1.0-rc.2",
         "0.1.0 is version 1 of m, released already: take a new number for version 2"),
        ({"1": {"release.prod": "0.1.0"}}, "v0.1.0",
         "0.1.0 is version 1 of m, released already: take a new number for version 2"),
        ({"1": {"release.staging": "0.1.0-rc.1"}}, "v0.1.0-rc.1",
         "0.1.0-rc.1 is version 1 of m already: take the next candidate's number for version 2"),
        ({"2": {"lifecycle": "withdrawn"}}, "v0.1.0-rc.1",
         "m version 2 was withdrawn by a rollback: train a new version"),
        ({"2": {"lifecycle": "archived"}}, "v0.1.0-rc.1",
         "m version 2 was retired from prod: `rollback` is the way back, or train it anew"),
    ],
)  # fmt: skip
def test_a_number_means_one_version_for_good(world, facts, name, line):
    for number, tags in facts.items():
        world.facts[number] |= tags
    world.aliases["staging"] = "2"
    if "lifecycle" in facts.get("2", {}):
        world.aliases.clear()
    bumped(Path.cwd(), "0.1.0")
    tag(Path.cwd(), name, MODEL)
    assert refusal(world, name) == line


@pytest.mark.parametrize(
    ("aliases", "now"), [({}, "no version does"), ({"staging": "1", "dev": "2"}, "version 1 does")]
)  # fmt: skip
def test_a_release_is_the_version_under_staging(world, aliases, now):
    world.aliases |= aliases
    bumped(Path.cwd(), "0.1.0")
    tag(Path.cwd(), "v0.1.0", MODEL)
    assert refusal(world, "v0.1.0") == f"m version 2 does not hold staging ({now}): promote it to staging first"


@pytest.mark.parametrize(
    ("held_as", "by_hand", "number", "told"),
    [
        ("1.4.0", False, "2.0.0", True),
        ("1.4.0", True, "1.5.0", False),  # the number alone decides
        (None, False, "2.0.0", False),
        (None, True, "1.5.0", True),
        ("by hand", True, "1.5.0", True),
    ],
)  # fmt: skip
def test_the_major_number_tells_clients(world, held_as, by_hand, number, told):
    world.aliases["prod"] = "1"
    world.facts["1"] |= {} if held_as is None else {"release.prod": held_as}
    bumped(Path.cwd(), number)
    tag(Path.cwd(), f"v{number}-rc.1", MODEL)
    assert ask(world, f"v{number}-rc.1", f"promotion.new_major={by_hand}").new_major is told


@pytest.mark.parametrize(
    ("error", "hint"), [(UserError, f"; {ANEW}"), (UnreachableError, ""), (ForbiddenError, "")]
)  # fmt: skip
def test_a_registry_that_does_not_answer_says_nothing_about_the_tag(world, monkeypatch, error, hint):
    def fails(reference):
        raise error("no")

    bumped(Path.cwd(), "0.1.0")
    tag(Path.cwd(), "v0.1.0-rc.1", MODEL)
    monkeypatch.setattr(world, "find", fails)
    with pytest.raises(error) as caught:
        ask(world, "v0.1.0-rc.1")
    assert str(caught.value) == f"v0.1.0-rc.1 names models:/m/2: no{hint}"


@pytest.mark.parametrize(("number", "told"), [("2.0.0", False), ("3.0.0", True)])
def test_the_highest_release_counts_where_prod_got_no_number(world, number, told):
    world.aliases["prod"] = "1"
    world.facts |= {"3": {"release.prod": "2.4.0"}, "4": {"release.prod": "1.9.0"}}
    bumped(Path.cwd(), number)
    tag(Path.cwd(), f"v{number}-rc.1", MODEL)
    assert ask(world, f"v{number}-rc.1", "promotion.new_major=true").new_major is told
    world._folders = dict.fromkeys(world.facts, world._folders["1"])
    assert load_incumbent(world, world.find("models:/m/1")).major == 2
    bumped(Path.cwd(), "1.9.9")
    tag(Path.cwd(), "v1.9.9-rc.1", MODEL)
    assert refusal(world, "v1.9.9-rc.1") == (
        "v1.9.9-rc.1 has a lower major number than prod (version 1, after version 3 was released as 2.4.0): "
        "take 2.Y.Z or higher"
    )


@pytest.mark.parametrize("error", [UnreachableError, ForbiddenError])
def test_a_registry_that_does_not_answer_says_nothing_about_the_servable(world, monkeypatch, error):
    def fails(version):
        raise error("no")

    monkeypatch.setattr(world, "download", fails)
    with pytest.raises(error):
        load_incumbent(world, world.find("models:/m/1"))
    with pytest.raises(error):
        load(world, world.find("models:/m/1"))


def test_a_lower_major_number_is_refused(world):
    world.aliases["prod"] = "1"
    world.facts["1"]["release.prod"] = "2.0.1"
    bumped(Path.cwd(), "1.9.0")
    tag(Path.cwd(), "v1.9.0-rc.1", MODEL)
    assert refusal(world, "v1.9.0-rc.1") == (
        "v1.9.0-rc.1 has a lower major number than prod (version 1 holds prod as 2.0.1): take 2.Y.Z or higher"
    )


@pytest.mark.parametrize("name", ["v0.1.0-rc.1", "v0.1.0"])
@pytest.mark.parametrize("recorded", [True, False])
def test_a_pipeline_that_runs_again_finds_it_done(world, name, recorded):
    """Also that of a candidate which has become a release since; and one that was killed before it wrote this down."""
    world.aliases |= {"staging": "2", "prod": "2"}
    if recorded:
        world.facts["2"] |= {"release.staging": "0.1.0-rc.1", "release.prod": "0.1.0"}
    bumped(Path.cwd(), "0.1.0")
    tag(Path.cwd(), name, MODEL)
    found = ask(world, name)
    assert found.held
    assert found.facts == {f"release.{found.to}": name[1:]}


def test_another_candidate_of_the_version_under_staging_is_judged_again(world):
    world.aliases["staging"] = "2"
    world.facts["2"]["release.staging"] = "0.1.0-rc.1"
    bumped(Path.cwd(), "0.1.0")
    tag(Path.cwd(), "v0.1.0-rc.2", MODEL)
    assert not ask(world, "v0.1.0-rc.2").held


def test_commits_of_other_repositories_do_not_count(world, monkeypatch):
    """A project in a folder of a larger repository."""
    bumped(Path.cwd(), "0.1.0")
    tag(Path.cwd(), "v0.1.0-rc.1", MODEL)
    make_project(Path.cwd() / "inner")
    monkeypatch.chdir(Path.cwd() / "inner")
    assert refusal(world, "v0.1.0-rc.1") == (
        f"{Path.cwd()} is not the root of a git repository that git reads: run this in the project's clone"
    )
