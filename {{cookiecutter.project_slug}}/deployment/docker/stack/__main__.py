"""The stack of compose.yaml on this machine."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import REFERENCE
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.utils.verb import one_line

from . import accounts, backup, environment
from .engine import Engine
from .problems import problems

PROJECT = Path(__file__).resolve().parents[3]


def up(engine: Engine) -> None:
    """Bring everything up, wait until it is healthy, make the accounts, say where it is."""
    _check_secrets(engine)
    kept = problems(PROJECT)
    values = environment.complete(PROJECT)
    config = engine.config()["services"]
    model, alias = _followed(config["api"]["environment"]["SERVING_REFERENCE"])
    waiting = sorted(_behind("mlflow", config))
    first = sorted(config.keys() - {*waiting})
    engine.check_images(values[environment.VERSION])
    engine.compose("up", "--detach", "--wait", *first)
    url = engine.address("mlflow", 5000)
    passwords = {name: values[f"STACK_{name.upper()}_PASSWORD"] for name in ("admin", "ci", "people", "reader")}
    for line in accounts.settle(url, passwords, kept):
        print(f"made: {line}")
    served = accounts.serves(url, passwords["reader"], model, alias)
    if served:
        engine.compose("up", "--detach", "--wait", *waiting)
    _report(engine, config, sorted(config) if served else first, url)
    if not served:
        print(
            f"\nNothing is under {alias}, so {', '.join(waiting)} did not start: train {model} as ci, and run make "
            "stack again; STACK_MODEL in .env names another model."
        )


def _check_secrets(engine: Engine) -> bool:
    """Whether there is a stack; its `.env` must be there, too.

    Raises:
        UserError: volumes are there, and what they were made with is not.
    """
    path = PROJECT / ".env"
    if environment.KEY in environment.read(path):
        return True
    if volumes := engine.volumes():
        raise UserError(
            f"volume {volumes[0]} was made with another .env, and {path} has no {environment.KEY}: put that file back, "
            "or delete the volumes as docs/stack.md says"
        )
    return False


def _followed(reference: str) -> tuple[str, str]:
    """Model and alias.

    Raises:
        UserError: they are not such names.
    """
    match = REFERENCE.fullmatch(reference)
    if match is None or match["alias"] is None:
        raise UserError(
            f"{reference}, of STACK_MODEL and STACK_ALIAS, is not models:/<name>@<alias>: mend them in .env"
        )
    return match["name"], match["alias"]


def _behind(name: str, config: dict[str, Any]) -> set[str]:
    """Services that start after another one: behind the registry, those that need a version to serve."""
    found = {other for other, service in config.items() if name in service.get("depends_on", {})}
    return found.union(*(_behind(other, config) for other in found))


def _report(engine: Engine, config: dict[str, Any], services: list[str], url: str) -> None:
    for name in services:
        for port in config[name].get("ports", []):
            print(f"{name:<12} {engine.address(name, port['target'])}")
    secret = "$(sed -n s/^STACK_{}_PASSWORD=//p " + shlex.quote(str(PROJECT / ".env")) + ")"
    print("\nFor make train, as somebody of the project:\n")
    print(f"export MLFLOW_TRACKING_URI={url} MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD=false")
    print(f'export MLFLOW_TRACKING_USERNAME=people MLFLOW_TRACKING_PASSWORD="{secret.format("PEOPLE")}"')
    print("\nAs CI, which registers and promotes:\n")
    print(f'export MLFLOW_TRACKING_USERNAME=ci MLFLOW_TRACKING_PASSWORD="{secret.format("CI")}"')


def down(engine: Engine) -> None:
    """Stop and remove the containers; the volumes stay."""
    if not _check_secrets(engine):
        print("there is no stack to stop")
        return
    environment.complete(PROJECT)
    engine.compose("down", "--remove-orphans")
    if volumes := engine.volumes():
        print(f"kept: {', '.join(volumes)}")
        print("to delete all that they hold, beyond recovery: docker compose --profile '*' down --volumes")


def main() -> None:
    """See `--help`."""
    parser = argparse.ArgumentParser(prog="python -m deployment.docker.stack", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    starts = verbs.add_parser("up", help="bring it up, wait until it is healthy, make the accounts")
    starts.add_argument(
        "--profile", action="append", default=[], help="what to run beside the rest: a profile of compose.yaml"
    )
    verbs.add_parser("down", help="stop it, and keep what it holds")
    verbs.add_parser("backup", help="write all it holds to a new folder").add_argument("folder", nargs="?", type=Path)
    verbs.add_parser("restore", help="fill an empty stack with a backup").add_argument("folder", type=Path)
    given = parser.parse_args()
    try:
        if given.verb == "up":
            up(Engine(PROJECT, given.profile))
        elif given.verb == "down":
            down(Engine(PROJECT, ["*"]))
        elif given.verb == "backup":
            print(f"backup: {backup.back_up(Engine(PROJECT, []), PROJECT, given.folder)}; it holds secrets")
        else:
            backup.restore(Engine(PROJECT, []), PROJECT, given.folder)
            up(Engine(PROJECT, []))
    except (UserError, OSError) as error:
        sys.exit(f"error: {one_line(error)}")


if __name__ == "__main__":
    main()
