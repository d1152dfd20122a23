"""What somebody asks of a pipeline by hand: its variables are checked, each by a strict pattern, then the verbs run.

`manual.py` reads ACTION; `manual.py retrain` is a cron job's way to the same, without one. With `--check` nothing runs;
with `--reference` the version is printed that a promotion or a rollback left under its alias. docs/ci.md has the table.
No shell sees a value: a verb is started by its list of arguments.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "{{ cookiecutter.project_slug }}"


@dataclass(frozen=True)
class Variable:
    """One that an action may take.

    Args:
        override: the verb's key that it sets.
        pattern: what the whole of it has to match; quotes are in none, so that Hydra's grammar takes it as text.
        what: what it has to be, for the refusal.
    """

    override: str
    pattern: str
    what: str


@dataclass(frozen=True)
class Action:
    """What ACTION may name.

    Args:
        modules: what runs, one after the other.
        needs: variables without which it does not.
        takes: variables that it also takes.
    """

    modules: tuple[str, ...]
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


NUMBER = r"[1-9][0-9]{0,8}"
VARIABLES = {
    "RUN": Variable("run", r"[0-9a-f]{32}", "the id of a run: 32 hexadecimal digits"),
    "MODEL": Variable("mlflow.model", r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", "a model's name: letters, digits and _ . -"),
    "VERSION": Variable("version", NUMBER, "the number of a registered version"),
    "TO": Variable("to", r"staging|prod", "staging or prod"),
    "EXPERIMENT": Variable("experiment", r"[A-Za-z0-9_]{1,100}", "a file of config/experiment/, without .yaml"),
}
ACTIONS = {
    "register": Action((f"{PACKAGE}.cli.register",), needs=("RUN",), takes=("MODEL",)),
    "promote": Action((f"{PACKAGE}.cli.promote",), needs=("VERSION", "TO"), takes=("MODEL",)),
    "rollback": Action((f"{PACKAGE}.cli.rollback",), needs=("VERSION",), takes=("MODEL",)),
    "retrain": Action((f"{PACKAGE}.cli.fetch", "tools.retrain"), takes=("EXPERIMENT",)),
}
OF_OTHERS = ("RELEASE", "OVERLAY")
"""Variables of deploy.yaml, which mean nothing here."""


def asked(environment: Mapping[str, str], action: str | None = None) -> tuple[Action, dict[str, str]]:
    """The action and its variables, by name; what is empty counts as not given.

    Args:
        environment: the variables of the pipeline.
        action: its name, where the pipeline knows it; otherwise ACTION says it.

    Raises:
        ValueError: no such action; a variable is missing, is one too many, or is not what it has to be.
    """
    name = action or environment.get("ACTION", "")
    if name not in ACTIONS:
        raise ValueError(f"ACTION is {name!r}: set it to {', '.join(ACTIONS)} or deploy (docs/ci.md)")
    found = ACTIONS[name]
    given = {key: environment[key] for key in (*VARIABLES, *OF_OTHERS) if environment.get(key)}
    for key in found.needs:
        if key not in given:
            raise ValueError(f"{key} is not set: ACTION={name} needs {' and '.join(found.needs)}")
    for key, value in given.items():
        if key not in (*found.needs, *found.takes):
            raise ValueError(f"{key} is set, which ACTION={name} does not take: leave it out")
        if not re.fullmatch(VARIABLES[key].pattern, value):
            raise ValueError(f"{key} is {value!r}: it has to be {VARIABLES[key].what}")
    return found, given


def commands(action: Action, given: Mapping[str, str]) -> list[list[str]]:
    """The arguments of each process, in their order. Values are quoted: a run's id may look like a number."""
    overrides = [f"{VARIABLES[key].override}={_value(key, value)}" for key, value in given.items()]
    return [[sys.executable, "-m", module, *overrides] for module in action.modules]


def _value(key: str, value: str) -> str:
    return value if key in ("VERSION", "TO", "EXPERIMENT") else f"'{value}'"


def reference(action: Action, given: Mapping[str, str]) -> str:
    """The version that the action has put under an alias.

    Raises:
        ValueError: it moves none of staging and prod.
    """
    if action not in (ACTIONS["promote"], ACTIONS["rollback"]):
        raise ValueError("only a promotion and a rollback move staging or prod")
    import yaml  # not at the top: `--check` runs before there is an environment

    configured = yaml.safe_load(Path("config/mlflow/default.yaml").read_text(encoding="utf-8"))["model"]
    model = given.get("MODEL", configured)
    return f"models:/{model}/{given['VERSION']}" if "TO" in given else f"models:/{model}@prod"


def main() -> None:
    """Check, and do what is asked; the last process takes the place of this one."""
    parser = argparse.ArgumentParser(description="Run what ACTION names, or print what it moves.")
    parser.add_argument("action", nargs="?", choices=["retrain"], help="the action, where the pipeline knows it")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--check", action="store_true", help="run nothing")
    instead.add_argument("--reference", action="store_true", help="print the version that an alias now points to")
    options = parser.parse_args()
    try:
        action, given = asked(os.environ, options.action)
        printed = reference(action, given) if options.reference else None
    except ValueError as error:
        sys.exit(f"error: {error}")
    if printed:
        print(printed)
    if printed or options.check:
        return
    os.environ["PYTHONPATH"] = "src"
    *first, last = commands(action, given)
    for command in first:
        if code := subprocess.run(command).returncode:
            sys.exit(code)
    os.execv(last[0], last)


if __name__ == "__main__":
    main()
