"""What does `train --help` cost over an empty Hydra application with the same configuration tree?"""

import argparse
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from measuring import SLUG, baked, in_turns, median, python_of_bakes, ratio, row, seconds

GOAL = 1.3
EMPTY = """
import hydra

@hydra.main(config_path="config", config_name="train", version_base="1.3")
def main(cfg):
    pass

if __name__ == "__main__":
    main()
"""


def main(runs: int) -> None:
    """The verb and the empty application in turns, each a whole process."""
    with baked() as project, TemporaryDirectory() as name:
        python, folder = python_of_bakes(), Path(name)
        shutil.copytree(project.path / "config", folder / "config")
        (folder / "empty.py").write_text(EMPTY, encoding="utf-8")
        verb, empty = in_turns(
            runs,
            lambda: seconds([python, "-m", f"{SLUG}.cli.train", "--help"], project.path, PYTHONPATH="src"),
            lambda: seconds([python, "-m", "empty", "--help"], folder),
        )
    times = ratio(verb, empty)
    row(
        "`train --help`, s",
        median(verb),
        f"≤ {GOAL} × an empty Hydra application",
        times <= GOAL,
        f"{times:.2f} × an empty Hydra application, {median(empty)}",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=11, help="counted runs of each (default: %(default)s)")
    main(parser.parse_args().runs)
