"""Which workflows and steps an event starts, as the files of `.woodpecker/` say."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from .events import Event
from .text import PipelineError, evaluated, matches, substituted

Node = dict[str, Any]
FILE = {"when", "variables", "clone", "steps", "depends_on", "concurrency"}
STEP = {"name", "image", "commands", "environment", "when", "failure", "depends_on"}
WHEN = {"event", "ref", "branch", "cron", "evaluate", "status"}
CLONE = {"image", "settings"}
SETTINGS = {"depth", "partial", "tags", "lfs", "recursive"}
EVENTS = {"push", "pull_request", "pull_request_closed", "tag", "release", "deployment", "cron", "manual"}


@dataclass(frozen=True)
class Step:
    """Commands that run in one shell."""

    name: str
    image: str
    """Its name, without where it is from and without its tag."""
    commands: tuple[str, ...]
    environment: Mapping[str, str]
    """What the file gives it, secrets among it."""
    on_success: bool
    """Whether it runs while nothing has failed."""
    on_failure: bool
    """Whether it runs after something has."""
    ignored: bool
    """Whether its own failure counts for nothing."""


@dataclass(frozen=True)
class Workflow:
    """One file, for one event."""

    name: str
    steps: tuple[Step, ...]
    depends_on: tuple[tuple[str, bool], ...]
    """Names, and whether each is optional."""
    settings: Mapping[str, Any]
    """Of the clone."""
    on_failure: bool
    """Whether it runs although one that it depends on failed."""


def started(folder: Path, event: Event, secrets: Mapping[str, str]) -> list[Workflow]:
    """The workflows of a checkout that an event starts, each after those that it depends on.

    Args:
        folder: with `.woodpecker/`.
        event: that has happened.
        secrets: of the repository, none of which is there for pull requests.

    Raises:
        PipelineError: a file has something that is not known here, or that Woodpecker refuses.
    """
    files = sorted((folder / ".woodpecker").glob("*.y*ml"))
    read = {path.stem: _workflow(path, event, secrets) for path in files}
    found = [workflow for workflow in read.values() if workflow is not None]
    for workflow in found:
        for name, _ in workflow.depends_on:
            if name not in read:
                raise PipelineError(f"{workflow.name}: depends_on: there is no workflow {name}")
    return _in_order(_complete(found))


def _workflow(path: Path, event: Event, secrets: Mapping[str, str]) -> Workflow | None:
    """A file's; None where its `when` leaves it out."""
    name, variables = path.stem, event.variables(path.stem)
    try:
        node = yaml.safe_load(substituted(path.read_text(encoding="utf-8"), variables))
        _known(node, FILE, "the file")
        held = _held(node, event, variables)
        if not held:
            return None
        steps = [_step(one, event, variables, secrets) for one in node["steps"]]
        return Workflow(
            name=name,
            steps=tuple(step for step in steps if step is not None),
            depends_on=tuple(_dependency(one) for one in node.get("depends_on", ())),
            settings=_clone(node.get("clone")),
            on_failure=any("failure" in _list(one.get("status")) for one in held),
        )
    except (PipelineError, yaml.YAMLError) as error:
        raise PipelineError(f"{path.name}: {error}") from None


def _step(node: Node, event: Event, variables: Mapping[str, str], secrets: Mapping[str, str]) -> Step | None:
    """One of a workflow; None where its `when` leaves it out."""
    _known(node, STEP, f"step {node.get('name')}")
    name, image = str(node["name"]), str(node["image"])
    brought, _, tag = image.rpartition("/")[2].partition(":")
    if tag in ("", "latest"):
        raise PipelineError(f"step {name}: the image {image} has no tag of its own")
    if not node.get("commands"):
        raise PipelineError(f"step {name}: it has no commands; plugins are not run here")
    if node.get("failure", "ignore") != "ignore":
        raise PipelineError(f"step {name}: failure: {node['failure']} is not known here")
    if "depends_on" in node:
        raise PipelineError(f"step {name}: depends_on: steps run in order here")
    if not all(isinstance(command, str) for command in node["commands"]):
        raise PipelineError(f"step {name}: a command that is no text; put it in quotes")
    held = _held(node, event, variables) if "when" in node else [{}]
    if not held:
        return None
    statuses = [_list(one.get("status")) for one in held]
    return Step(
        name=name,
        image=brought,
        commands=tuple(node["commands"]),
        environment=_environment(node.get("environment", {}), name, event, variables, secrets),
        on_success=any(not status or "success" in status for status in statuses),
        on_failure=any("failure" in status for status in statuses),
        ignored="failure" in node,
    )


def _environment(
    node: Node, step: str, event: Event, variables: Mapping[str, str], secrets: Mapping[str, str]
) -> dict[str, str]:
    found = {}
    for key, value in node.items():
        if key in variables and key not in event.given:
            raise PipelineError(f"step {step}: environment: {key} is Woodpecker's own")
        if not isinstance(value, dict):
            found[key] = str(value).lower() if isinstance(value, bool) else str(value)
            continue
        _known(value, {"from_secret"}, f"step {step}: environment: {key}")
        secret = value["from_secret"]
        if event.name.startswith("pull_request"):
            raise PipelineError(f"step {step}: secret {secret} is not given to pull requests")
        if secret not in secrets:
            raise PipelineError(f"step {step}: there is no secret {secret}")
        found[key] = secrets[secret]
    return found


def _holds(node: Node, event: Event, variables: Mapping[str, str]) -> bool:
    """Whether all that one condition says is so, `status` apart, which is asked later."""
    _known(node, WHEN, "when")
    if unknown := set(_list(node.get("event"))) - EVENTS:
        raise PipelineError(f"when: there is no event {', '.join(sorted(unknown))}")
    if "event" not in node:
        raise PipelineError("when: a condition names no event")
    if event.name not in _list(node["event"]) or not _listed(node, "ref", event.ref):
        return False
    if event.name != "tag" and not _listed(node, "branch", event.branch):
        return False
    if event.name == "cron" and not _listed(node, "cron", event.cron):
        return False
    return "evaluate" not in node or evaluated(node["evaluate"], variables)


def _listed(node: Node, key: str, text: str) -> bool:
    """Whether a text is one of those that a condition names, by globs, and none that it excludes."""
    asked = node.get(key)
    if not isinstance(asked, dict):
        asked = {"include": asked}
    _known(asked, {"include", "exclude"}, f"when: {key}")
    include, exclude = _list(asked.get("include")), _list(asked.get("exclude"))
    if any(matches(pattern, text) for pattern in exclude):
        return False
    return not include or any(matches(pattern, text) for pattern in include)


def _held(node: Node, event: Event, variables: Mapping[str, str]) -> list[Node]:
    """The conditions of a `when` that an event meets; one is enough."""
    conditions = node.get("when", [])
    conditions = [conditions] if isinstance(conditions, dict) else conditions
    if not conditions:
        raise PipelineError("there is no `when`: it would run at every event")
    return [one for one in conditions if _holds(one, event, variables)]


def _list(value: Any) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def _dependency(value: Any) -> tuple[str, bool]:
    if isinstance(value, str):
        return value, False
    _known(value, {"name", "optional"}, "depends_on")
    return value["name"], value.get("optional", False)


def _clone(node: Node | None) -> Mapping[str, Any]:
    """The settings of the one step of the clone; none where the file has none."""
    if node is None:
        return {}
    if len(node) != 1:
        raise PipelineError("clone: more than one step is not known here")
    (step,) = node.values()
    _known(step, CLONE, "clone")
    _known(step.get("settings", {}), SETTINGS, "clone: settings")
    return dict(step.get("settings", {}))


def _known(node: Any, keys: Iterable[str], where: str) -> None:
    if not isinstance(node, dict):
        raise PipelineError(f"{where}: that is no map")
    if unknown := set(node) - set(keys):
        raise PipelineError(f"{where}: {', '.join(sorted(map(str, unknown)))}: not known here")


def _complete(found: list[Workflow]) -> list[Workflow]:
    """Without those that depend on one that is left out, and those that depend on these in turn."""
    names = {workflow.name for workflow in found}
    left = [
        replace(workflow, depends_on=tuple(one for one in workflow.depends_on if one[0] in names))
        for workflow in found
        if all(optional or name in names for name, optional in workflow.depends_on)
    ]
    return left if len(left) == len(found) else _complete(left)


def _in_order(found: list[Workflow]) -> list[Workflow]:
    ordered: list[Workflow] = []
    while len(ordered) < len(found):
        done = {workflow.name for workflow in ordered}
        ready = [one for one in found if one.name not in done and all(name in done for name, _ in one.depends_on)]
        if not ready:
            raise PipelineError("depends_on: workflows wait for each other")
        ordered += ready
    return ordered
