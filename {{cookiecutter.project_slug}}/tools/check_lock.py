"""uv.lock is there, in git, and in step with pyproject.toml."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

LOCK = "uv.lock"


def problem(root: Path) -> str | None:
    """What is wrong with the lock of a project, in one line; None where nothing is.

    A lock that is in step is recognised offline.
    """
    if not (root / LOCK).is_file():
        return f"{LOCK}: there is none: run make setup and commit it"
    if _run(root, "git", "ls-files", "--error-unmatch", LOCK).returncode:
        return f"{LOCK}: it is not in git: run git add {LOCK} and commit it"
    own = root / ".uv/bin/uv"  # where make setup puts uv, if the machine has none
    uv = shutil.which("uv") or (str(own) if own.is_file() else None)
    if uv is None:
        return f"{LOCK}: there is no uv to check it with: run make setup"
    done = _run(root, uv, "lock", "--check", "--offline")
    if done.returncode:  # a source other than an index may have to be looked at
        done = _run(root, uv, "lock", "--check")
    if done.returncode == 1:
        return f"{LOCK}: it is not in step with pyproject.toml: run make setup and commit it"
    if done.returncode:
        said = next((line for line in done.stderr.splitlines() if line.startswith("error: ")), "it said nothing")
        return f"{LOCK}: uv cannot check it ({said.removeprefix('error: ')}): run uv lock, and mend what it says"
    return None


def _run(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    wheels = os.environ.get("PIP_FIND_LINKS")  # the Makefile hands it on to uv in the same way
    sources = {"UV_FIND_LINKS": wheels, "UV_NO_SOURCES": "1"} if wheels else {}
    return subprocess.run(command, cwd=root, env=os.environ | sources, capture_output=True, text=True)


if __name__ == "__main__":
    sys.exit(problem(Path()))
