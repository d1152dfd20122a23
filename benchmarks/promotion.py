"""How long a promotion takes with all its gates, imports left out, against the slowest gate alone.

That gate starts the service in a fresh process and asks it the golden rows: nothing less tells that a version deploys.
"""

import argparse
import contextlib
import io
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from measuring import SLUG, in_project, in_turns, median, note, ratio, row

GOAL = 30.0


def prepare() -> None:
    """Make the project what a gate wants: a repository with a commit, in which a lock lies."""
    Path("uv.lock").write_text("version = 1\n", encoding="utf-8")
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "Bake the template"]):
        subprocess.run(["git", *command], check=True)


def quietly(function: Callable[[], Any]) -> Any:
    """What a function returns; what it prints is left out, since the table goes to stdout."""
    with contextlib.redirect_stdout(io.StringIO()):
        return function()


def measure() -> None:
    """Print the rows: versions of the same quality, one after the other through `staging` to `prod`."""
    runs = parse().runs
    compose = import_module(f"{SLUG}.utils.verb").compose
    train, promote = (getattr(import_module(f"{SLUG}.cli.{verb}"), verb) for verb in ("train", "promote"))
    engine, registry = import_module(f"{SLUG}.inference.engine"), import_module(f"{SLUG}.integrations.mlflow_registry")
    build = import_module(f"{SLUG}.utils.instantiate").build
    switched_off = import_module(f"{SLUG}.promotion.report").OFF
    prepare()
    version: Any = None

    def to(alias: str) -> float:
        config = compose("promote", [f"version={version.version}", f"to={alias}", "promotion.by_hand=true"])
        begin = time.perf_counter()
        report = quietly(lambda: promote(config))
        taken = time.perf_counter() - begin
        if off := [gate for gate, verdict in report.verdicts.items() if verdict == switched_off]:
            sys.exit(f"not all gates are on: {', '.join(off)}")
        note(f"version {version.version} to {alias}: {', '.join(report.verdicts)}: {taken:.1f} s")
        return taken

    def staging() -> float:
        nonlocal version
        version = quietly(lambda: train(compose("train", ["progress=false", "evaluation.importance_repeats=0"])))
        return to("staging")

    def alone() -> float:
        config = compose("promote", [f"version={version.version}", "to=prod"])
        gate = build(config.promotion.prod.gates.deployable)
        folder = registry.MlflowRegistry(config.mlflow.tracking_uri, Path("outputs/servables")).download(version)
        case = SimpleNamespace(candidate=engine.Engine(folder), version=version)
        begin = time.perf_counter()
        verdict = gate.check(case)
        if not verdict.passed:
            sys.exit(verdict.reason)
        return time.perf_counter() - begin

    to_staging, to_prod, floor = in_turns(runs, staging, lambda: to("prod"), alone)
    for alias, taken in (("staging", to_staging), ("prod", to_prod)):
        row(
            f"`promote` to `{alias}` with all gates against an incumbent, default project, imports left out, s",
            median(taken),
            f"≤ {GOAL:g}",
            statistics.median(taken) <= GOAL,
            f"{ratio(taken, floor):.2f} × the gate `deployable` alone, {median(floor)}",
        )


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="counted promotions to each alias (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    parse()
    in_project(measure)
