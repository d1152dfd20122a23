"""How long does a bake take, as a whole process? Floor: Python importing cookiecutter."""

import argparse
import shutil
import statistics
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from measuring import SLUG, bake_command, in_turns, median, ratio, row, seconds

GOAL = 1.0


def main(runs: int) -> None:
    """Bake and import in turns."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        command = bake_command(folder)

        def bake() -> float:
            shutil.rmtree(folder / SLUG, ignore_errors=True)
            return seconds(command, folder)

        floor = [sys.executable, "-c", "import cookiecutter.main"]
        bakes, imports = in_turns(runs, bake, lambda: seconds(floor, folder))
    row(
        "bake, whole process, s",
        median(bakes),
        f"≤ {GOAL}",
        statistics.median(bakes) <= GOAL,
        f"{ratio(bakes, imports):.2f} × Python importing cookiecutter, {median(imports)}",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9, help="counted runs of each (default: %(default)s)")
    main(parser.parse_args().runs)
