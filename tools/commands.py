"""Commands of a baked project, as its owner runs them: in an environment without what an outer make handed down."""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What the outer make hands down would override the project's own variables.
LEFTOVERS = {"ARGS", "DEMO", "MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "PYTHON", "PYTHONPATH", "TAG", "VENV"}


def environment() -> dict[str, str]:
    """The caller's environment for the project's commands: uv can be found, and git has somebody to commit as."""
    kept = {name: value for name, value in os.environ.items() if name not in LEFTOVERS}
    kept["PATH"] = os.pathsep.join([kept.get("PATH", os.defpath), str(Path(sys.executable).parent)])
    if subprocess.run(["git", "config", "user.email"], capture_output=True, cwd=ROOT).returncode:
        for role in ("AUTHOR", "COMMITTER"):
            kept.setdefault(f"GIT_{role}_NAME", "Demo")
            kept.setdefault(f"GIT_{role}_EMAIL", "demo@example.com")
    return kept


def run(*command: str, cwd: Path) -> None:
    """Run one command, shown with the seconds it took; the process ends in one line where it fails."""
    print(f"\n$ {' '.join(command)}", flush=True)
    begin = time.monotonic()
    status = subprocess.run(command, cwd=cwd, env=environment(), stdin=subprocess.DEVNULL).returncode
    if status:
        sys.exit(f"{Path(sys.argv[0]).stem}: '{' '.join(command)}' failed in {cwd}")
    print(f"({time.monotonic() - begin:.1f} s)", flush=True)


def first_commit(project: Path) -> None:
    """Make the project a repository with everything committed."""
    run("git", "init", "--quiet", cwd=project)
    run("git", "add", "--all", cwd=project)
    run("git", "commit", "--quiet", "--message", "Bake the template", cwd=project)
