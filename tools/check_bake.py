"""Bake, install the newest versions that there are, and run the project's own checks: as somebody who starts today."""

import argparse
import json
import re
import shutil
import sys
from pathlib import Path
from tempfile import mkdtemp

from commands import ROOT, first_commit, run

BOUND = re.compile(r",<[\d.]+(?=[\";])")
"""What keeps a requirement below a version; a lower bound stands before it."""


def without_upper_bounds(pyproject: str) -> str:
    """The text of a pyproject.toml whose requirements, the Python excepted, may be of any newer version."""
    lines = pyproject.splitlines(keepends=True)
    return "".join(line if line.startswith("requires-python") else BOUND.sub("", line) for line in lines)


def bake(folder: Path, checkout: str | None, answers: list[str]) -> Path:
    """Render this template into the folder: its files, or those of one of its tags by a git address."""
    config = folder / "cookiecutter.yaml"  # instead of the home folder's
    config.write_text(json.dumps({"cookiecutters_dir": f"{folder}/clones", "replay_dir": f"{folder}/replay"}))
    source = [f"git+{ROOT.as_uri()}", "--checkout", checkout] if checkout else [str(ROOT)]
    out = folder / "bake"
    out.mkdir()
    options = ["--no-input", "--config-file", str(config), "--output-dir", str(out)]
    run(sys.executable, "-m", "cookiecutter", *options, *source, *answers, cwd=folder)
    (project,) = out.iterdir()
    return project


def check_version(project: Path, tag: str) -> None:
    """What was baked at a tag says that it is of that version.

    Raises:
        SystemExit: it says another.

    """
    version = json.loads((project / ".template.json").read_text(encoding="utf-8"))["version"]
    if f"v{version}" != tag:
        sys.exit(f"check_bake: what {tag} renders calls itself {version}")


def main(options: argparse.Namespace) -> None:
    """All steps; the folder stays where one of them fails."""
    folder = Path(mkdtemp(prefix="check-bake-"))
    project = bake(folder, options.checkout, options.answers)
    if options.checkout:
        check_version(project, options.checkout)
    if options.beyond:
        path = project / "pyproject.toml"
        path.write_text(without_upper_bounds(path.read_text(encoding="utf-8")), encoding="utf-8")
    run("make", "setup", cwd=project)  # there is no lock yet: uv takes the newest versions that the bounds allow
    uv = str(Path(sys.executable).parent / "uv")
    run(uv, "pip", "list", "--python", ".venv", cwd=project)
    print("\nNewer versions that are out, but held back by a bound:", flush=True)
    run(uv, "pip", "list", "--python", ".venv", "--outdated", cwd=project)
    first_commit(project)
    for target in options.targets:
        run("make", target, cwd=project)
    shutil.rmtree(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("answers", nargs="*", help="such as use_dvc=true; the others are the default ones")
    parser.add_argument("--checkout", metavar="TAG", help="bake from this tag of the repository, not from its files")
    parser.add_argument("--beyond", action="store_true", help="lift the upper bounds of all requirements")
    parser.add_argument("--targets", nargs="+", default=["test"], help="of the project's Makefile (default: test)")
    main(parser.parse_intermixed_args())
