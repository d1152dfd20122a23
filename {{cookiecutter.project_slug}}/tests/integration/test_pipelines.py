"""The real pipelines, from a training to a rollback, against a registry with accounts; its aliases read back each time.

What shows that a check of these tests is one is at the end: the same assertions on files with a mistake in them fail.
"""

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.ports import UserError

from tests.woodpecker import events
from tests.woodpecker.agent import Pipeline
from tests.worlds import BETTER, SOLID, WORSE, Ground, World, ground

pytestmark = pytest.mark.slow
Change = Callable[[Path], None]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground(tmp_path_factory.mktemp("ground")) as made:
        yield made


def pushed(world: World, tag: str, change: Change | None = None) -> Pipeline:
    """What a tag starts."""
    return world.ground.agent.run(events.tag(world.origin, tag), change=change)


def by_hand(world: World, change: Change | None = None, **given: str) -> Pipeline:
    """What somebody starts who types in variables."""
    return world.ground.agent.run(events.manual(world.origin, **given), change=change)


def check_passes(done: Pipeline, *workflows: str) -> None:
    assert done.passed, done.output
    assert done.workflows == list(workflows)


def check_refused(world: World, why: str, run: Callable[[], Pipeline]) -> None:
    """A pipeline fails, says why in one line, and moves nothing."""
    before = world.aliases
    done = run()
    assert not done.passed, done.output
    assert [line for line in done.output.splitlines() if line.startswith("error: ") and re.search(why, line)], done.output
    assert not set(done.workflows) & {"deploy"}
    assert world.aliases == before


def test_from_a_training_to_a_rollback(shared: Ground) -> None:
    world = shared.world("story")
    check_trained(world, "1")

    check_passes(pushed(world, world.candidate("1")), "promote")
    assert world.aliases == {"dev": "1", "staging": "1"}
    tag = world.release("final")
    check_passes(pushed(world, tag), "promote", "deploy")
    assert world.aliases == {"dev": "1", "staging": "1", "prod": "1"}
    assert world.facts("1")["release.prod"] == tag[1:]
    check_rolled_out(world, tag)

    worse = world.train(WORSE)
    world.promote(world.candidate(worse))  # staging lets it pass
    assert world.aliases == {"dev": "2", "staging": "2", "prod": "1"}
    check_refused(world, "does not become prod: quality: ", lambda: pushed(world, world.release("final")))
    assert world.facts("2")["promotion.prod"].startswith("refused: ")

    better = world.train(BETTER)
    world.promote(world.candidate(better))
    check_passes(pushed(world, world.release("final")), "promote", "deploy")
    assert world.aliases == {"dev": "3", "staging": "3", "prod": "3", "archived": "1"}
    moves = json.loads(world.facts("3")["history"])
    assert [(move["alias"], move["before"]) for move in moves] == [("dev", "2"), ("staging", "2"), ("prod", "1")]
    assert moves[-1]["pipeline"].startswith("https://ci.example.com/repos/7/pipeline/")
    assert moves[-1]["commit"] == world.git("rev-parse", "HEAD")

    check_passes(by_hand(world, ACTION="rollback", VERSION="3"), "manual")
    assert world.aliases == {"prod": "1"}
    assert world.facts("3")["lifecycle"] == "withdrawn"
    withdrawn = "version 3 was withdrawn by a rollback: train a new version"
    check_refused(world, withdrawn, lambda: by_hand(world, ACTION="promote", VERSION="3", TO="staging"))
    with pytest.raises(UserError, match=withdrawn):
        world.candidate("3")


def test_runs_of_a_laptop(shared: Ground) -> None:
    world = shared.world("laptop")
    assert world.train(SOLID, account="people") is None
    (clean,) = world.runs()
    assert world.aliases == {}
    (world.laptop / "config/seed.txt").write_text("1")
    assert world.train(SOLID, account="people") is None
    dirty, _ = world.runs()
    check_refused(world, "uncommitted changes", lambda: by_hand(world, ACTION="register", RUN=dirty))
    check_refused(world, "RUN is 'newest'", lambda: by_hand(world, ACTION="register", RUN="newest"))
    with pytest.raises(AssertionError):
        check_registered(world, clean, without("manual", "registry"))
    check_registered(world, clean)


def check_registered(world: World, run: str, change: Change | None = None) -> None:
    check_passes(by_hand(world, change, ACTION="register", RUN=run), "manual")
    assert world.aliases == {"dev": "1"}
    assert shared_version(world, "1")["run_id"] == run


def shared_version(world: World, number: str) -> dict[str, str]:
    return world.ground.registry.version(number, world.model)


def test_only_ci_writes_the_registered_model(shared: Ground) -> None:
    world = shared.world("rights")
    world.train(SOLID)
    number = {"name": world.model, "version": "1"}
    for account in ("people", "reader"):
        door = shared.registry.door(account)
        for method, path, fields in (
            ("POST", "registered-models/alias", number | {"alias": "prod"}),
            ("DELETE", "registered-models/alias", {"name": world.model, "alias": "dev"}),
            ("POST", "model-versions/set-tag", number | {"key": "lifecycle", "value": "archived"}),
            ("POST", "model-versions/create", {"name": world.model, "source": "models:/m-1"}),
            ("DELETE", "model-versions/delete", number),
            ("DELETE", "registered-models/delete", {"name": world.model}),
        ):
            assert door.ask(method, f"2.0/mlflow/{path}", **fields)["error_code"] == "403", (account, path)
    with pytest.raises(UserError, match="only CI moves staging and prod on a shared registry: start its pipeline"):
        with world.inside("people"):
            from {{ cookiecutter.project_slug }}.cli.promote import promote

            from tests.project import composed

            promote(composed("promote", "version=1", "to=staging", "promotion.ci=null", "promotion.by_hand=true"))
    assert world.aliases == {"dev": "1"}


def test_tags_that_ci_refuses(shared: Ground) -> None:
    world = shared.world("tags")
    world.git("commit", "--quiet", "--allow-empty", "--message", "never pushed")
    world.train(SOLID)
    world.git("reset", "--quiet", "--hard", "HEAD~1")
    tag = world.tag("v1.0.0-rc.1", "1")
    unknown = "commit .* that trained version 1 .*"
    check_refused(world, unknown, lambda: pushed(world, tag))
    ignored = replaced("promote", 'make promote ARGS="tag=$CI_COMMIT_TAG"', 'make promote ARGS="tag=$CI_COMMIT_TAG" || true')
    with pytest.raises(AssertionError):
        check_refused(world, unknown, lambda: pushed(world, tag, ignored))


def check_trained(world: World, number: str, change: Change | None = None) -> None:
    """The cron job trains, and registers under `dev`."""
    done = world.ground.agent.run(events.cron(world.origin, "retrain"), change=change)
    check_passes(done, "retrain")
    assert world.aliases == {"dev": number}
    facts = world.facts(number)
    assert facts["git.commit"] == world.git("rev-parse", "HEAD")


def check_rolled_out(world: World, tag: str) -> None:
    """The release's images were built and pushed, and the overlay `prod` was applied with them, and waited for."""
    cluster, engine = world.ground.cluster, world.ground.engine
    assert {command for command in engine.asked if command.startswith("push ")} >= {
        f"push --quiet {image}" for image in cluster.images if "registry.example.com" in image
    }
    assert all(image.endswith(f":{tag[1:]}") for image in cluster.images if "registry.example.com" in image)
    assert any("registry.example.com" in image for image in cluster.images)
    first, *waits = cluster.asked
    assert first.startswith("apply --kustomize ") and first.endswith(" --namespace prod")
    assert waits and all(command.startswith("rollout status deployment/") for command in waits)


def without(workflow: str, step: str) -> Change:
    """A file that lacks a step."""

    def change(folder: Path) -> None:
        path = folder / f"{workflow}.yaml"
        text = path.read_text(encoding="utf-8")
        cut = re.sub(rf"^  - name: {step}\n(?:    .*\n|\n)*", "", text, flags=re.MULTILINE)
        assert cut != text
        path.write_text(cut, encoding="utf-8")

    return change


def replaced(workflow: str, old: str, new: str) -> Change:
    """A file with another text in the place of one that it has."""

    def change(folder: Path) -> None:
        path = folder / f"{workflow}.yaml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    return change
