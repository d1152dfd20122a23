"""What Woodpecker's schema does not see in .woodpecker/: each problem is one line, with what to do.

Woodpecker substitutes, lints and filters the files of all pipelines at every event, so that a mistake in one of them
can stop all, and some leave a workflow out in silence.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(".woodpecker")
PULLS = {"pull_request", "pull_request_closed", "pull_request_metadata"}
OLD_KEYS = {
    "pipeline": "call it steps",
    "branches": "put it into when, as branch",
    "platform": "put it into labels",
    "runs_on": "put it into when, as status",
    "group": "use depends_on",
    "secrets": "name each under environment, with from_secret",  # pragma: allowlist secret
}
SWALLOWS = {
    r"\|\|": "`||` hides a failure: let the command fail",
    r"(?<!\|)\|(?!\|)": "a pipe has the exit code of its last command alone: use a file, or a tool of its own",
    r"\bset \+\w*e|\bset \+o errexit": "`set +e` lets failures pass: remove it",
    r"(?<![&>])&(?![&>])": "`&` does not wait for the command: use detach or a service",
    r"^\s*!": "`!` turns a failure into success: test what you mean in a tool",
}
ASSIGNMENT = re.compile(r"\w+=\$\(.*\)|\w+=\"\$\(.*\)\"")
CONFIDENTIAL = re.compile(r"PASSWORD|TOKEN|SECRET|(?<!PUBLIC)_KEY$|KUBE_?CONFIG")
Tree = dict[str, Any]


@dataclass(frozen=True)
class Workflow:
    """One file.

    Args:
        path: of the file.
        text: as it stands there.
        tree: what it says.
    """

    path: Path
    text: str
    tree: Tree

    @property
    def events(self) -> set[str] | None:
        """Those that start it; None where it does not say."""
        return _events(self.tree.get("when"))

    def parts(self, key: str) -> list[tuple[str, Tree]]:
        """Steps, services or the clone, by name; an empty name where there is none."""
        found = self.tree.get(key) or []
        if isinstance(found, dict):
            return [(str(name), part) for name, part in found.items()]
        return [(str(part.get("name", "")), part) for part in found]


def problems(root: Path) -> list[str]:
    """Everything that is wrong with a project's pipelines."""
    folder = root / FOLDER
    found, workflows = [], {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        shown = path.relative_to(root).as_posix()
        if path.parent != folder or path.suffix not in (".yaml", ".yml"):
            found.append(f"{shown}: Woodpecker does not read it: move it to {FOLDER}/<name>.yaml")
            continue
        text = path.read_text(encoding="utf-8")
        try:
            tree = yaml.safe_load(text)
        except yaml.YAMLError as error:
            found.append(f"{shown}: it is no YAML: {' '.join(str(error).split())}")
            continue
        workflows[path.stem] = Workflow(Path(shown), text, tree if isinstance(tree, dict) else {})
    for one in workflows.values():
        for check in (_substitution, _old_keys, _names, _when, _images, _secrets, _commands):
            found += [f"{one.path}: {said}" for said in check(one)]
        found += [f"{one.path}: {said}" for said in _dependencies(one, workflows)]
    return found


def _substitution(one: Workflow) -> Iterator[str]:
    for number, line in enumerate(one.text.splitlines(), start=1):
        if found := re.search(r"(?<!\$)\$\{[^}]*\}?", line):
            yield f"line {number}: Woodpecker substitutes {found[0]} before the shell sees it: write $NAME instead"


def _old_keys(one: Workflow) -> Iterator[str]:
    for where, part in [("the workflow", one.tree), *((f"step {name}", part) for name, part in one.parts("steps"))]:
        for key in OLD_KEYS.keys() & part.keys():
            yield f"{where} has {key}, which Woodpecker 3 does not know: {OLD_KEYS[key]}"
        if isinstance(part.get("environment"), list):
            yield f"{where} has environment as a list: write NAME: value"


def _names(one: Workflow) -> Iterator[str]:
    for key in ("steps", "services"):
        names = [name for name, _ in one.parts(key)]
        if "" in names:
            yield f"one of {key} has no name: give it one"
        for name in sorted({name for name in names if name and names.count(name) > 1}):
            yield f"two of {key} are named {name}: name each for what it does"


def _when(one: Workflow) -> Iterator[str]:
    if one.events is None:
        yield "the workflow's when does not name an event in each of its items: it would run at any, pull requests too"
    for name, step in one.parts("steps"):
        if "when" in step and _events(step["when"]) is None:
            yield f"step {name}: its when does not name an event in each of its items"


def _images(one: Workflow) -> Iterator[str]:
    for key in ("clone", "steps", "services"):
        for name, part in one.parts(key):
            image = str(part.get("image", ""))
            tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
            if not tag or tag == "latest":
                yield f"{key}: {name}: image {image or 'none'} has no tag of a version: it would change by itself"


def _secrets(one: Workflow) -> Iterator[str]:
    events = one.events if one.events is not None else PULLS
    for key in ("steps", "services"):
        for name, part in one.parts(key):
            own = _events(part["when"]) if "when" in part else None
            reached = PULLS & events & (own if own is not None else PULLS)
            for secret in sorted(set(_from_secret(part))):
                if reached:
                    where = ", ".join(sorted(reached))
                    yield f"{name}: secret {secret} where {where} leads: whoever opens one could read it"
            environment = part.get("environment")
            for variable, value in environment.items() if isinstance(environment, dict) else ():
                if CONFIDENTIAL.search(variable) and not isinstance(value, dict):
                    yield f"{name}: {variable} stands in the file: make it a secret, and name it with from_secret"


def _commands(one: Workflow) -> Iterator[str]:
    for name, step in one.parts("steps"):
        if step.get("failure", "fail") == "ignore":
            yield f"step {name}: failure: ignore lets a failure pass: remove it"
        commands = step.get("commands") or []
        for command in [commands] if isinstance(commands, str) else commands:
            bare = re.sub(r"'[^']*'|\"[^\"]*\"", "", str(command))  # signs in quotes are text
            for pattern, said in SWALLOWS.items():
                if re.search(pattern, bare):
                    yield f"step {name}: {said}"
            if re.search(r"\$\(|`", str(command)) and not ASSIGNMENT.fullmatch(str(command)):
                yield f"step {name}: the exit code of $(…) is lost within a command: assign it to a variable first"


def _dependencies(one: Workflow, workflows: Mapping[str, Workflow]) -> Iterator[str]:
    for name, optional in _depends_on(one.tree):
        if name not in workflows:
            yield f"depends_on names {name}, and there is no {FOLDER}/{name}.yaml: the workflow would never run"
        elif not optional and (alone := (one.events or set()) - (workflows[name].events or set())):
            yield f"it depends on {name}, which does not run on {', '.join(sorted(alone))}: set optional: true"
    names = {name for name, _ in one.parts("steps")}
    for name, step in one.parts("steps"):
        for other, _ in _depends_on(step):
            if other not in names:
                yield f"step {name} depends on {other}, which is no step of it"


def _depends_on(part: Tree) -> list[tuple[str, bool]]:
    found = part.get("depends_on") or []
    items = [found] if isinstance(found, str) else found
    return [(item, False) if isinstance(item, str) else (item["name"], item.get("optional", False)) for item in items]


def _events(when: Any) -> set[str] | None:
    items = when if isinstance(when, list) else [when]
    if not all(isinstance(item, dict) and item.get("event") for item in items):
        return None
    events = [item["event"] for item in items]
    return {name for event in events for name in ([event] if isinstance(event, str) else event)}


def _from_secret(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "from_secret" in node:
            yield str(node["from_secret"])
        node = list(node.values())
    if isinstance(node, list):
        for one in node:
            yield from _from_secret(one)


if __name__ == "__main__":
    lines = problems(Path())
    sys.exit("\n".join(lines) or None)
