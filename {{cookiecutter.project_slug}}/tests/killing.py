"""Runs `promote` and `rollback` in processes that are killed at one of their writes, and again; or two of them at once.

A program of its own: `python -m tests.killing DATABASE promote rollback race`, in a project's folder. MLFLOW_TRACKING_URI
is the store, or a server that keeps it in DATABASE. It prints one JSON document with all that it was asked for.
Its processes are forks of one that has done the same before: what comes first would take most of the time.
"""

import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from sqlalchemy import Engine, event

from {{ cookiecutter.project_slug }}.cli.promote import promote
from {{ cookiecutter.project_slug }}.cli.rollback import rollback
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.promotion.lifecycle import Lifecycle
from {{ cookiecutter.project_slug }}.schemas.promotion import GATES

from tests.candidates import write_candidate
from tests.project import ROOT, composed, environment_of, make_project
from tests.promotions import HOUSE, register

WRITES = (
    "create_model_version", "create_registered_model", "delete_model_version_tag", "delete_registered_model_alias",
    "set_model_version_tag", "set_registered_model_alias",
)  # fmt: skip
"""All of a client's methods by which the two verbs write to the registry."""
TABLES = (
    "registered_models", "registered_model_tags", "registered_model_aliases", "model_versions", "model_version_tags",
)  # fmt: skip
"""Where MLflow keeps what those methods write, by the model's name."""
OFF = [
    *HOUSE,
    "promotion.lease_seconds=10",
    *(f"promotion.{stage}.gates.{gate}=null" for stage in ("staging", "prod") for gate in GATES),
]
"""No gates; and a short lease, a tenth of which the next process waits for."""
FORK = multiprocessing.get_context("fork")
READER = "KILLING_READER"
"""Name and password of the account that looks, where the store has accounts."""
ASKED = {
    "promote": (promote, "promote", ["version=3", "to=prod"]),
    "rollback": (rollback, "rollback", ["version=2"]),
    "race": (promote, "promote", ["version=4", "to=staging"]),
}
"""What is done to the registry: the verb, its configuration, and overrides."""
ENGINES: set[Engine] = set()
"""The ways to databases that this process has made."""


def outcome(folder: Path, database: Path, *what: str, **environment: str) -> dict[str, Any]:
    """What this program prints in a new project of its own, which is made.

    Args:
        folder: for the project.
        database: of the store, or of the server.
        what: keys of `ASKED`.
        environment: how the store is reached.
    """
    make_project(folder)
    known = environment_of(PYTHONPATH=f"{ROOT / 'src'}{os.pathsep}{ROOT}", **environment)
    command = [sys.executable, "-m", "tests.killing", str(database), *what]
    done = subprocess.run(command, cwd=folder, env=known, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-5000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def check_mended(found: dict[str, Any], before: str, after: str) -> None:
    """At whatever write a process was killed, the next one makes of it what one that is not killed makes."""
    assert found["whole"]["aliases"]["prod"] == after
    assert found["whole"]["open"] == []
    assert found["whole"]["last"]["state"] == "done"
    for number, case in enumerate(found["cases"], start=1):
        assert case["left"]["aliases"]["prod"] in (before, after), f"killed at write {number}"
        assert case["mended"] == found["whole"], f"killed at write {number}"
    assert len(found["cases"]) >= 9


def asked(what: str) -> Callable[[], Any]:
    """The verb, with a configuration that is composed already."""
    verb, name, overrides = ASKED[what]
    config = composed(name, *overrides, *OFF)
    return lambda: verb(config)


def ask(number: int, to: str) -> None:
    """`promote` without gates."""
    promote(composed("promote", f"version={number}", f"to={to}", *OFF))


def begin() -> None:
    """Versions 1 and 2 have had prod, 3 holds staging, and 4 has been trained."""
    uri = os.environ["MLFLOW_TRACKING_URI"]
    for number in (1, 2, 3):
        register(write_candidate(Path(f"v{number}")), uri=uri)
        ask(number, "staging")
        if number < 3:
            ask(number, "prod")
    register(write_candidate(Path("v4")), uri=uri)


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


@contextmanager
def _as_reader() -> Iterator[None]:
    """As the account that may only read, where the store has accounts."""
    names = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
    own = {name: os.environ[name] for name in names if name in os.environ}
    if own:
        os.environ.update(zip(names, os.environ[READER].split(":"), strict=True))
    yield
    os.environ.update(own)


def look() -> dict[str, Any]:
    """What the registry holds, without the histories and without how the record of moves came to its end."""
    with _as_reader():
        client = MlflowClient()
        found = client.get_registered_model("house")
        versions = client.search_model_versions("name='house'")
        entries = client.search_model_versions("name='house.moves'")
    record = sorted(entries, key=lambda entry: int(entry.version))
    return {
        "aliases": {alias: str(number) for alias, number in found.aliases.items()},
        "tags": {
            str(version.version): {key: value for key, value in version.tags.items() if key != "history"}
            for version in versions
        },
        "last": {key: value for key, value in record[-1].tags.items() if key not in ("kind", "before", "report")},
        "open": [int(entry.version) for entry in record if entry.tags["state"] == "open"],
    }


def in_fork(work: Callable[[], Any]) -> tuple[int | None, Any]:
    """Exit code of a process that does it, and what it returned."""
    for engine in ENGINES:
        engine.dispose()  # a connection belongs to one process; what the engine has learned, to both
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


class Trials:
    """One registry that is put back to how it began before each trial.

    Args:
        database: the file that the store, or the server, keeps it in.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        with closing(sqlite3.connect(database)) as of, closing(sqlite3.connect("begin.db")) as to:
            of.backup(to)

    def renew(self) -> None:
        """The registered model and the record of its moves as they began; a server may be running on it."""
        with self._written() as database:
            database.execute("ATTACH 'begin.db' AS begin")
            for table in reversed(TABLES):
                database.execute(f"DELETE FROM {table} WHERE name IN ('house', 'house.moves')")
            for table in TABLES:
                database.execute(
                    f"INSERT INTO {table} SELECT * FROM begin.{table} WHERE name IN ('house', 'house.moves')"
                )

    def let_leases_end(self) -> None:
        """An hour passes."""
        with self._written() as database:
            database.execute(
                "UPDATE model_versions SET creation_time = creation_time - 3600000 WHERE name = 'house.moves'"
            )

    @contextmanager
    def _written(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._database, timeout=30)) as database, database:
            yield database

    def kill_at_each(self, action: Callable[[], None]) -> dict[str, Any]:
        """Per write: what a process left that was killed before it, and what the next one made of that."""
        self.renew()
        action()
        whole, cases = look(), []
        while True:
            self.renew()
            write = len(cases) + 1
            code, _ = in_fork(lambda write=write: killed_at(write, action))
            if code == 0:
                return {"whole": whole, "cases": cases}
            assert code == -signal.SIGKILL
            self.let_leases_end()
            _, said = in_fork(lambda: (look(), action(), look()))
            cases.append({"left": said[0], "mended": said[2]})

    def race(self, actions: Sequence[Callable[[], Any]]) -> list[dict[str, Any]]:
        """Two processes ask for `prod` and for `staging`; both have been judged before either of them moves anything."""
        results = []
        for _ in range(2):
            self.renew()
            for engine in ENGINES:
                engine.dispose()
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
    database, *wanted = sys.argv[1:]
    event.listen(Engine, "engine_connect", lambda connection: ENGINES.add(connection.engine))
    begin()
    trials = Trials(Path(database))
    came = {what: trials.kill_at_each(asked(what)) for what in wanted if what != "race"}
    if "race" in wanted:
        came |= {"race": trials.race((asked("promote"), asked("race")))}
    print(json.dumps(came))


if __name__ == "__main__":
    main()
