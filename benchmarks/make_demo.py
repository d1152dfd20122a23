"""How long does `make demo` take in a clean copy of the template, once the packages are cached?"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from measuring import note, row, seconds

GOAL = 120


def main(runs: int) -> None:
    """Each run in a copy of its own, so that it makes every environment anew; the last one counts."""
    from baking import copy_template

    for number in range(runs):
        with TemporaryDirectory(ignore_cleanup_errors=True) as name:
            template = copy_template(Path(name) / "ml-template")
            took = seconds(["make", "demo"], template, UV_COMPILE_BYTECODE="0")
            note(f"run {number + 1} of {runs}: {took:.0f} s")
    row("`make demo`, packages cached, s", f"{took:.0f}", f"≤ {GOAL}", took <= GOAL)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2, help="the first ones fill uv's cache (default: %(default)s)")
    main(parser.parse_args().runs)
