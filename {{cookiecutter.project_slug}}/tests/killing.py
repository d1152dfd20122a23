"""Runs `promote` and `rollback` in processes that are killed at one of their writes, and again; or two of them at once.

A program of its own: `python -m tests.killing`, in a project's folder. It prints one JSON document with all of it.
Its processes are forks of one that has done the same with another store: what comes first would take most of the time.
"""

import json
import multiprocessing
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient

from {{ cookiecutter.project_slug }}.cli.promote import promote
from {{ cookiecutter.project_slug }}.cli.rollback import rollback
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.promotion.lifecycle import Lifecycle
from {{ cookiecutter.project_slug }}.schemas.promotion import GATES

from tests.candidates import write_candidate
from tests.project import composed, store
from tests.promotions import HOUSE, register

WRITES = (
    "create_model_version", "create_registered_model", "delete_model_version_tag", "delete_registered_model_alias",
    "set_model_version_tag", "set_registered_model_alias",
)  # fmt: skip
"""All of a client's methods by which the two verbs write to the registry."""
OFF = [*HOUSE, *(f"promotion.{stage}.gates.{gate}=null" for stage in ("staging", "prod") for gate in GATES)]
FORK = multiprocessing.get_context("fork")


ASKED = {
    "promote": (promote, "promote", ["version=3", "to=prod"]),
    "rollback": (rollback, "rollback", ["version=2"]),
    "race": (promote, "promote", ["version=4", "to=staging"]),
}
"""What is done to the registry: the verb, its configuration, and overrides."""


def asked(what: str, database: str = "mlflow.db") -> Callable[[], Any]:
    """The verb, with a configuration that is composed already."""
    verb, name, overrides = ASKED[what]
    config = composed(name, *overrides, *OFF, f"mlflow.tracking_uri=sqlite:///{Path.cwd() / database}")
    return lambda: verb(config)


def ask(number: int, to: str) -> None:
    """`promote` without gates."""
    promote(composed("promote", f"version={number}", f"to={to}", *OFF))


def begin() -> None:
    """Versions 1 and 2 have had prod, 3 holds staging, and 4 has been trained."""
    for number in (1, 2, 3):
        register(write_candidate(Path(f"v{number}")))
        ask(number, "staging")
        if number < 3:
            ask(number, "prod")
    register(write_candidate(Path("v4")))


def killed_at(write: int, action: Callable[[], None]) -> None:
    """Kill this process before one of its writes."""
    made = 0

    def counted(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal made
            made += 1
            if made == write:
                os.kill(os.getpid(), signal.SIGKILL)
            return method(*arguments, **named)

        return call

    for name in WRITES:
        setattr(MlflowClient, name, counted(getattr(MlflowClient, name)))
    action()


def look() -> dict[str, Any]:
    """What the registry holds, without the histories and without how the record of moves came to its end."""
    client = MlflowClient(store())
    found = client.get_registered_model("house")
    tags = {
        str(version.version): {key: value for key, value in version.tags.items() if key != "history"}
        for version in client.search_model_versions("name='house'")
    }
    record = sorted(client.search_model_versions("name='house.moves'"), key=lambda entry: int(entry.version))
    return {
        "aliases": {alias: str(number) for alias, number in found.aliases.items()},
        "tags": tags,
        "last": {key: value for key, value in record[-1].tags.items() if key not in ("kind", "before", "report")},
        "open": [int(entry.version) for entry in record if entry.tags["state"] == "open"],
    }


def in_fork(work: Callable[[], Any]) -> tuple[int | None, Any]:
    """Exit code of a process that does it, and what it returned."""
    mine, its = FORK.Pipe(duplex=False)
    process = FORK.Process(target=lambda: its.send(work()))
    process.start()
    its.close()
    try:
        said = mine.recv()
    except EOFError:
        said = None
    process.join()
    return process.exitcode, said


def renew() -> None:
    """The store as it began."""
    for path in Path().glob("mlflow.db*"):
        path.unlink()
    shutil.copyfile("begin.db", "mlflow.db")


def let_leases_end() -> None:
    """An hour passes."""
    with sqlite3.connect("mlflow.db") as database:
        database.execute("UPDATE model_versions SET creation_time = creation_time - 3600000 WHERE name = 'house.moves'")


def kill_at_each(action: Callable[[], None]) -> dict[str, Any]:
    """Per write: what a process left that was killed before it, and what the next one made of that."""
    renew()
    whole = in_fork(lambda: (action(), look())[1])[1]
    cases = []
    while True:
        renew()
        code, _ = in_fork(lambda: killed_at(len(cases) + 1, action))
        if code == 0:
            return {"whole": whole, "cases": cases}
        assert code == -signal.SIGKILL
        let_leases_end()
        _, said = in_fork(lambda: (look(), action(), look()))
        cases.append({"left": said[0], "mended": said[2]})


def race(actions: Sequence[Callable[[], Any]]) -> list[dict[str, Any]]:
    """Two processes ask for `prod` and for `staging`; both have been judged before either of them moves anything."""
    results = []
    for _ in range(2):
        renew()
        ready = FORK.Barrier(2)
        move = Lifecycle.promote

        def together(*arguments: Any, move: Any = move, ready: Any = ready, **named: Any) -> None:
            ready.wait()
            move(*arguments, **named)

        def contend(action: Callable[[], Any], together: Any = together) -> str:
            Lifecycle.promote = together  # type: ignore[method-assign]
            try:
                action()
            except UserError as error:
                return str(error)
            return "moved"

        pipes, processes = [], []
        for action in actions:
            mine, its = FORK.Pipe(duplex=False)
            processes.append(FORK.Process(target=lambda action=action, its=its: its.send(contend(action))))
            processes[-1].start()
            pipes.append(mine)
        said = [pipe.recv() for pipe in pipes]
        for process in processes:
            process.join()
        results.append({"said": said, **in_fork(look)[1]})
    return results


def main() -> None:
    """Print what came of it."""
    mlflow.set_tracking_uri(store())
    in_fork(begin)
    for copied in ("begin.db", "warm.db"):
        shutil.copyfile("mlflow.db", copied)
    asked("promote", "warm.db")()
    killed = {what: kill_at_each(asked(what)) for what in ("promote", "rollback")}
    print(json.dumps(killed | {"race": race((asked("promote"), asked("race")))}))


if __name__ == "__main__":
    main()
