"""What the scripts share: a baked project with its environment, runs in turns, rows of one Markdown table.

Run by itself it prints the machine, the versions and the head of that table.
"""

import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

ROOT = Path(__file__).parents[1]
SLUG = "benchmarked"
"""Package of the project that is baked and measured."""
COLUMNS = ("what", "measured", "goal", "met", "against the floor in the same run", "command")
PACKAGES = ("torch", "lightning", "lightgbm", "hydra-core", "mlflow", "onnxruntime", "numpy")

sys.path.insert(0, str(ROOT / "tests"))  # baking.py: the tests' bake and the environment that all bakes share
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as for most users: what is imported twice is compiled once
if TYPE_CHECKING:
    from baking import Bake


def note(text: str) -> None:
    """Say on stderr what is going on; stdout holds the table's rows alone."""
    print(text, file=sys.stderr, flush=True)


NO_GOAL = "\N{EN DASH}"


def row(what: str, measured: str, goal: str, met: bool, ratio: str = "") -> None:
    """Print one row of the table."""
    command = f"`python benchmarks/{Path(sys.argv[0]).name}`"
    verdict = NO_GOAL if goal == NO_GOAL else "yes" if met else "**no**"
    print("|", " | ".join([what, measured, goal, verdict, ratio, command]), "|", flush=True)


def bake_command(folder: Path, *answers: str) -> list[str]:
    """The command that bakes into `folder`, without touching the caller's home folder.

    Args:
        folder: where to.
        answers: as on cookiecutter's command line, such as `use_triton=true`; the others are the default ones.

    """
    config = folder / "cookiecutter.yaml"
    config.write_text(json.dumps({"cookiecutters_dir": f"{folder}/clones", "replay_dir": f"{folder}/replay"}))
    command = [sys.executable, "-m", "cookiecutter", "--no-input", "--config-file", str(config)]
    return [*command, "--output-dir", str(folder), str(ROOT), f"project_slug={SLUG}", *answers]


@contextmanager
def baked(*answers: str) -> Iterator["Bake"]:
    """A baked project in a temporary folder."""
    from baking import Bake

    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        subprocess.run(bake_command(Path(folder), *answers), check=True, stdout=sys.stderr)
        yield Bake(Path(folder) / SLUG)


def python_of_bakes() -> str:
    """The interpreter of the environment that the tests' bakes share, which is made where it is not there."""
    from baking import shared_environment
    from options import EVERYTHING

    os.environ["UV_COMPILE_BYTECODE"] = "1"
    with ExitStack() as bakes:
        typed = [[f"{key}={answer}" for key, answer in answers.items()] for answers in EVERYTHING]
        return str(shared_environment([bakes.enter_context(baked(*answers)) for answers in typed]) / "bin" / "python")


def in_project(measure: Callable[[], None], *answers: str) -> None:
    """Call `measure` where the baked package and all its dependencies can be imported.

    Elsewhere a project is baked with these answers and this script runs again: with the same arguments, in the
    project's folder, with the shared environment's Python.
    """
    if find_spec(SLUG):
        measure()
        return
    from baking import clean_env

    with baked(*answers) as project:
        command = [python_of_bakes(), str(Path(sys.argv[0]).resolve()), *sys.argv[1:]]
        status = subprocess.run(command, cwd=project.path, env=clean_env(PYTHONPATH="src")).returncode
    sys.exit(status)


def seconds(command: Sequence[str], cwd: Path, **extra: str) -> float:
    """Wall seconds of a whole process that must succeed."""
    from baking import clean_env

    begin = time.perf_counter()
    subprocess.run(
        command, cwd=cwd, env=clean_env(**extra), check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )  # fmt: skip
    return time.perf_counter() - begin


def in_turns(runs: int, *timed: Callable[[], float]) -> list[list[float]]:
    """What each function measured, one list each, called A B A B …; the first round is not counted."""
    rounds = [[function() for function in timed] for _ in range(runs + 1)]
    return [list(column) for column in zip(*rounds[1:], strict=True)]


def ratio(numerator: Sequence[float], denominator: Sequence[float]) -> float:
    """The median of the ratios pair by pair, which holds when the machine's speed drifts."""
    return statistics.median(a / b for a, b in zip(numerator, denominator, strict=True))


def median(values: Sequence[float], digits: int = 2) -> str:
    """The median, and between which values it lies."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def housing() -> list[str]:
    """Overrides for California housing: its CSV in the folder that ML_TEMPLATE_DATA names, or else its URL."""
    folder = os.environ.get("ML_TEMPLATE_DATA")
    path = [f"data.path='{Path(folder).resolve()}/california_housing.csv'"] if folder else []
    return ["experiment=california_housing", *path]


if __name__ == "__main__":
    library = Path(python_of_bakes()).parents[1] / "lib"
    installed = {found.name: found.version for found in distributions(path=[str(p) for p in library.glob("*/site-*")])}
    versions = ", ".join(f"{name} {installed[name]}" for name in PACKAGES)
    print(f"{datetime.date.today()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}\n")
    print("|", " | ".join(COLUMNS), "|")
    print("|", " | ".join(["---"] * len(COLUMNS)), "|")
