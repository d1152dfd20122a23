"""What pipelines do to a project's registry, images and cluster, and what of it has to be so afterwards."""

import re
from collections.abc import Callable
from pathlib import Path

from tests.mistakes import Change, without
from tests.woodpecker import events
from tests.woodpecker.agent import Pipeline
from tests.worlds import World

CHECKS = ("setup", "hygiene", "style", "types", "unit", "integration", "smoke")
"""The steps of check.yaml, in their order."""
NARROW = {
    "PYTEST_ADDOPTS": "--ignore-glob=*/test_[!i]*.py -k 'test_importance or ping' -m 'not slow'",
    "PYTEST_XDIST_AUTO_NUM_WORKERS": "0",
}
"""What a user may set too: all tests take minutes, and would run those of the pipelines again."""


def pushed(world: World, tag: str, change: Change | None = None) -> Pipeline:
    """What a tag starts."""
    world.ground.forget()
    return world.ground.agent.run(events.tag(world.origin, tag), change=change)


def by_hand(world: World, change: Change | None = None, branch: str = "main", **given: str) -> Pipeline:
    """What somebody starts who types in variables."""
    world.ground.forget()
    return world.ground.agent.run(events.manual(world.origin, branch, **given), change=change)


def check_passes(done: Pipeline, *workflows: str) -> None:
    """These workflows ran, and no other; none failed."""
    assert done.passed, done.output
    assert done.workflows == list(workflows)


def check_refused(world: World, why: str, run: Callable[[], Pipeline]) -> None:
    """A pipeline fails, says why in one line, and moves nothing."""
    before = world.aliases
    done = run()
    assert not done.passed, done.output
    assert re.search(f"^error: .*{why}", done.output, re.MULTILINE), done.output
    assert not set(done.workflows) & {"deploy"}
    assert world.aliases == before


def check_may_not_write(world: World, account: str) -> None:
    """The registry refuses every write to the registered model to an account."""
    number, door = {"name": world.model, "version": "1"}, world.ground.registry.door(account)
    for method, path, fields in (
        ("POST", "registered-models/alias", number | {"alias": "prod"}),
        ("DELETE", "registered-models/alias", {"name": world.model, "alias": "dev"}),
        ("POST", "model-versions/set-tag", number | {"key": "lifecycle", "value": "archived"}),
        ("POST", "model-versions/create", {"name": world.model, "source": "models:/m-1"}),
        ("DELETE", "model-versions/delete", number),
        ("DELETE", "registered-models/delete", {"name": world.model}),
    ):
        assert door.ask(method, f"2.0/mlflow/{path}", **fields)["error_code"] == "403", (account, path)


def check_registered(world: World, run: str, change: Change | None = None, branch: str = "main") -> None:
    """A run becomes the first version of its model by the manual pipeline."""
    check_passes(by_hand(world, change, branch, ACTION="register", RUN=run), "manual")
    assert world.aliases == {"dev": "1"}
    assert world.ground.registry.version("1", world.model)["run_id"] == run


def check_trained(world: World, number: str, change: Change | None = None, experiment: str | None = None) -> None:
    """The cron job trains, or the manual pipeline the experiment that somebody names, and registers under `dev`."""
    if experiment is None:
        done = world.ground.agent.run(events.cron(world.origin, "retrain"), change=change)
    else:
        done = by_hand(world, change, ACTION="retrain", EXPERIMENT=experiment)
    check_passes(done, "retrain")
    assert world.aliases == {"dev": number}
    facts = world.facts(number)
    assert facts["git.commit"] == world.git("rev-parse", "HEAD")


def check_rolled_out(world: World, tag: str, overlay: str = "prod") -> None:
    """The release's images were built and pushed, and the overlay was applied with them, and waited for."""
    cluster, engine = world.ground.cluster, world.ground.engine
    assert {command for command in engine.asked if command.startswith("push ")} >= {
        f"push --quiet {image}" for image in cluster.images if "registry.example.com" in image
    }
    assert all(image.endswith(f":{tag[1:]}") for image in cluster.images if "registry.example.com" in image)
    assert any("registry.example.com" in image for image in cluster.images)
    first, *waits = cluster.asked
    assert first.startswith("apply --kustomize ") and first.endswith(f" --namespace {overlay}")
    assert cluster.followed == {overlay}
    assert waits and all(command.startswith("rollout status deployment/") for command in waits)


def check_goes_back(world: World, tag: str, change: Change | None = None, overlay: str = "prod") -> None:
    """A release is rolled out to a stage by the manual pipeline."""
    check_passes(by_hand(world, change, ACTION="deploy", RELEASE=tag, OVERLAY=overlay), "deploy")
    check_rolled_out(world, tag, overlay)


def check_checked(world: World, change: Change | None = None) -> None:
    """A push is checked by every step, and none finds anything."""
    done = world.ground.agent.run(events.push(world.origin), given=NARROW, change=change)
    check_passes(done, "check")
    assert list(done.codes("check").items()) == [(step, 0) for step in CHECKS], done.output


def check_stopped(world: World, change: Change | None = None) -> None:
    """A pull request with a file that is not formatted ends at `style`."""

    def shorter(folder: Path) -> None:
        for step in set(CHECKS) - {"setup", "style"}:  # for the time that they take
            without("check", step)(folder)
        if change:
            change(folder)

    done = world.ground.agent.run(events.pull_request(world.origin, "topic"), change=shorter)
    assert not done.passed, done.output
    assert done.codes("check") == {"setup": 0, "style": 2}
