"""The real pipelines, from a training to a rollback, against a registry with accounts; its aliases read back each time.

That an assertion is one is shown beside it: on files with a mistake in them it fails.
"""

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.cli.promote import promote
from {{ cookiecutter.project_slug }}.ports import UserError

from deployment.docker.stack.accounts import settle
from tests import image_registries, laptops
from tests.containers import docker
from tests.killing import READER, check_mended, outcome
from tests.lifecycles import (
    by_hand,
    check_checked,
    check_goes_back,
    check_may_not_write,
    check_passes,
    check_refused,
    check_registered,
    check_rolled_out,
    check_stopped,
    check_trained,
    pushed,
)
from tests.mistakes import Change, absent, both, idle, replaced, without
from tests.project import composed
from tests.registry_servers import PASSWORDS
from tests.releases import images
from tests.woodpecker import events
from tests.woodpecker.agent import Pipeline
from tests.worlds import BETTER, SOLID, WORSE, Ground, World, ground

pytestmark = pytest.mark.slow
PROMOTE = 'make promote ARGS="tag=$CI_COMMIT_TAG"'


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground(tmp_path_factory.mktemp("ground")) as made:
        yield made


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
    """One is registered from the branch that it was trained on, and becomes `staging` without a tag."""
    world = shared.world("laptop", laptops.without_a_server)
    world.git("switch", "--quiet", "--create", "topic")
    world.commit("an idea")
    assert world.train(SOLID, account="people") is None
    (clean,) = world.runs()
    assert world.aliases == {}
    (world.laptop / "config/seed.txt").write_text("1")
    assert world.train(SOLID, account="people") is None
    dirty, _ = world.runs()
    check_refused(world, "uncommitted changes", lambda: by_hand(world, ACTION="register", RUN=dirty))
    check_refused(world, "RUN is 'newest'", lambda: by_hand(world, ACTION="register", RUN="newest"))
    check_refused(world, "is not in this repository", lambda: by_hand(world, ACTION="register", RUN=clean))
    with pytest.raises(AssertionError):
        check_registered(world, clean, without("manual", "registry"), branch="topic")
    check_registered(world, clean, branch="topic")
    check_passes(by_hand(world, branch="topic", ACTION="promote", VERSION="1", TO="staging"), "manual")
    assert world.aliases == {"dev": "1", "staging": "1"}


def test_only_ci_writes_the_registered_model(shared: Ground) -> None:
    world = shared.world("rights")
    world.train(SOLID)
    for account in ("people", "reader"):
        check_may_not_write(world, account)
    by_hand = ["promotion.ci=null", "promotion.by_hand=true"]
    only = "only CI moves staging and prod on a shared registry: start its pipeline"
    with world.inside("people"), pytest.raises(UserError, match=only):
        promote(composed("promote", "version=1", "to=staging", *by_hand))
    with world.inside("people"), pytest.raises(UserError):  # who says that it is CI
        promote(composed("promote", "version=1", "to=staging", "promotion.ci=woodpecker"))
    assert world.aliases == {"dev": "1"}


def test_tags_that_ci_refuses(shared: Ground) -> None:
    world = shared.world("tags")
    world.git("commit", "--quiet", "--allow-empty", "--message", "never pushed")
    world.train(SOLID)
    world.git("reset", "--quiet", "--hard", "HEAD~1")
    tag = world.tag("v0.2.0-rc.1", "1")
    unknown = "this clone lacks commit [0-9a-f]{12}, which trained .*: merge the branch that has it"
    check_refused(world, unknown, lambda: pushed(world, tag))
    ignored = replaced("promote", PROMOTE, f"{PROMOTE} || true")
    with pytest.raises(AssertionError, match="promote/staging: 0"):
        check_refused(world, unknown, lambda: pushed(world, tag, ignored))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (replaced("promote", PROMOTE, PROMOTE.replace("TAG", "REF")), "'refs/tags/v0.1.0-rc.1' names no release"),
        (replaced("promote", "depth: 0", "depth: 1"), "error: this clone lacks commit"),
        (replaced("promote", "MLFLOW_TRACKING_PASSWORD", "PASSWORD"), "You are not authenticated"),
    ],
    ids=["wrong variable", "shallow clone", "no password"],
)
def test_mistakes_in_promote(shared: Ground, candidate: tuple[World, str], change: Change, why: str) -> None:
    world, tag = candidate
    with pytest.raises(AssertionError, match=why):
        check_passes(pushed(world, tag, change), "promote")
    assert world.aliases == {"dev": "1"}


@pytest.fixture(scope="module")
def candidate(shared: Ground) -> tuple[World, str]:
    """A version that nothing is wrong with, and the tag of its candidate."""
    world = shared.world("mistakes")
    world.train(SOLID)
    world.commit("later")
    return world, world.candidate("1")


def test_mistakes_in_retrain(shared: Ground) -> None:
    world = shared.world("retrain", laptops.with_another_experiment)
    elsewhere = replaced("retrain", "MLFLOW_TRACKING_URI", "TRACKING_URI")
    with pytest.raises(AssertionError):  # it trains well, into a store that goes with the clone
        check_trained(world, "1", elsewhere)
    with pytest.raises(AssertionError):
        check_trained(world, "1", replaced("retrain", 'ACTION == "retrain"', 'ACTION == "train"'), "another")
    check_trained(world, "1", experiment="another")
    assert float(world.parameters("1")["model.regressor.alpha"]) == BETTER


def test_two_releases_at_once(shared: Ground, tmp_path: Path) -> None:
    """Two clones, each with a forge of its own, share only the registry; what the agents do meets there alone."""
    world = shared.world("race")
    world.train(SOLID)
    world.promote(world.candidate("1"))
    there = world.twin(tmp_path)
    tags = [world.release("final"), there.tag("v0.2.0", "1")]
    together = threading.Barrier(2, timeout=300)

    def run(one: World, tag: str) -> Pipeline:
        def before(step: str) -> None:
            if step == "prod":
                together.wait()

        return shared.agent.run(events.tag(one.origin, tag), before=before, change=absent("deploy"))

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(run, (world, there), tags))
    first = next(number for number, one in enumerate(done) if one.passed)
    loser = done[1 - first]
    assert not loser.passed, done[0].output + done[1].output
    refused = "^error: race: prod moved while the gates ran: version 1 holds it now"
    assert re.search(refused, loser.output, re.MULTILINE), loser.output
    assert world.aliases == {"dev": "1", "staging": "1", "prod": "1"}
    assert world.facts("1")["release.prod"] == tags[first][1:]
    assert [move["alias"] for move in json.loads(world.facts("1")["history"])] == ["dev", "staging", "prod"]


def test_a_promotion_that_is_killed(shared: Ground) -> None:
    """SIGKILL between the writes that move `archived` and `prod`; the next run of the same pipeline ends it."""
    world = shared.world("killed", laptops.with_short_leases)
    for number, alpha in (("1", SOLID), ("2", BETTER)):
        world.train(alpha)
        world.promote(world.candidate(number))
        tag = world.release("final")
        if number == "1":
            world.promote(tag)

    def kill(process: "subprocess.Popen[bytes]", step: str) -> None:
        while step == "prod" and process.poll() is None:
            if "archived" in world.aliases:
                os.killpg(process.pid, signal.SIGKILL)
            time.sleep(0.01)

    done = shared.agent.run(events.tag(world.origin, tag), watch=kill)
    assert done.codes("promote")["prod"] == -signal.SIGKILL, done.output
    assert world.aliases["archived"] == "1"
    check_passes(pushed(world, tag), "promote", "deploy")
    assert world.aliases == {"dev": "2", "staging": "2", "prod": "2", "archived": "1"}
    assert world.facts("2")["release.prod"] == tag[1:]


def test_a_promotion_that_is_killed_at_any_of_its_writes(shared: Ground, tmp_path: Path) -> None:
    """Without gates, and the verb alone; all that is looked at is read back as `reader`."""
    settle(shared.registry.url, PASSWORDS, [("house", "house")])
    reader = {READER: f"reader:{PASSWORDS['reader']}"}
    came = outcome(tmp_path, shared.registry.database, "promote", "rollback", **shared.registry.account("ci"), **reader)
    check_mended(came["promote"], before="2", after="3")
    check_mended(came["rollback"], before="2", after="1")


def test_going_back_to_a_release(shared: Ground) -> None:
    world = shared.world("deploy")
    world.train(SOLID)
    tag = world.candidate("1").partition("-")[0]
    world.git("tag", "--annotate", tag, "--message", f"Model: models:/{world.model}/1")
    world.commit("later")
    for mistake in (
        replaced("deploy", "    optional: true  # a manual run has no promotion\n", ""),
        without("deploy", "prod"),
        replaced("deploy", "IMAGE_REGISTRY:", "REGISTRY:"),
    ):
        with pytest.raises(AssertionError):
            check_goes_back(world, tag, mistake)
    check_goes_back(world, tag)
    check_goes_back(world, tag, overlay="staging")


@pytest.mark.containers
def test_a_release_is_built_and_pushed(shared: Ground, tmp_path: Path) -> None:
    """By a real engine to a real registry; the cluster alone is none."""
    world = shared.world("images", laptops.with_small_images)
    world.train(SOLID)
    world.promote(world.candidate("1"))
    tag = world.release("final")
    with image_registries.running(tmp_path) as address:
        agent = shared.with_an_engine(tmp_path, address)
        shared.forget()
        client = str(image_registries.logged_in(tmp_path / "docker", address))
        names = [f"{address}/team/{name}:{tag[1:]}" for name in images()]
        try:
            check_passes(agent.run(events.tag(world.origin, tag)), "promote", "deploy")
            own = {image for image in shared.cluster.images if address in image}
            assert own and own <= set(names)
            for name in names:
                docker("image", "rm", "--force", name)
                docker("--config", client, "pull", "--quiet", name)
        finally:
            for name in names:
                subprocess.run(["docker", "image", "rm", "--force", name], capture_output=True)


def test_a_push_and_a_pull_request_are_checked(shared: Ground) -> None:
    world = shared.world("check")
    check_checked(world)
    check_checked(world, idle)
    for step in ("types", "unit"):
        with pytest.raises(AssertionError):
            check_checked(world, both(idle, without("check", step)))
    world.git("switch", "--quiet", "--create", "topic")
    (world.laptop / "tools/loose.py").write_text("x = {  1 }\n", encoding="utf-8")
    world.commit("a slip")
    check_stopped(world)
    with pytest.raises(AssertionError):
        check_stopped(world, replaced("check", "  - name: style\n", "  - name: style\n    failure: ignore\n"))
