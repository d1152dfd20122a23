"""The interpreter that a refit runs in: this one where the lock is the same, else one that is made from the lock."""

import os
import platform
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..ports import UserError
from ..utils.files import sha256
from .recipe import Recipe

LOCK = "uv.lock"
Run = Callable[[Sequence[str], Mapping[str, str]], None]
"""Runs a command in the checkout with further variables; a failure is a UserError."""


@dataclass(frozen=True)
class Environment:
    """An interpreter with its libraries, and why it is this one."""

    python: str
    why: str


def environment_for(recipe: Recipe, choice: str, here: Mapping[str, str], checkout: Path, run: Run) -> Environment:
    """Choose the interpreter, and make its environment where there is none.

    Args:
        recipe: what was recorded.
        choice: `auto`, or `current` for this interpreter in any case.
        here: the versions of this environment's libraries, by the names of their tags.
        checkout: the commit, with its lock.
        run: runs uv.

    Raises:
        UserError: the commit has not the lock that was recorded, or its environment cannot be made.
    """
    if choice == "current":
        return Environment(sys.executable, "this environment, as asked for")
    if recipe.lock is None:
        return Environment(sys.executable, "this environment: the training had no lock")
    locked = checkout / LOCK
    found = sha256(locked) if locked.is_file() else None
    if found != recipe.lock:
        has = "no uv.lock" if found is None else f"another uv.lock ({found[:12]})"
        raise UserError(
            f"the version was trained with the uv.lock {recipe.lock[:12]}, and its commit {recipe.commit[:12]} has "
            f"{has}: environment=current refits it with this environment"
        )
    same_lock = Path(LOCK).is_file() and sha256(Path(LOCK)) == recipe.lock
    others = [name for name, version in recipe.packages.items() if here.get(name) != version]
    if same_lock and not others:
        return Environment(sys.executable, "this environment: its lock is the recorded one")
    uv = shutil.which("uv") or shutil.which(".uv/bin/uv")
    if uv is None:
        raise UserError(
            "the version was trained with other libraries than these, and there is no uv to install them: "
            "put it on the PATH, or take environment=current"
        )
    target = checkout / ".venv"
    minor = ".".join((recipe.python or platform.python_version()).split(".")[:2])
    extras = ["--extra", "train", "--extra", recipe.torch]
    command = [str(Path(uv).absolute()), "sync", "--locked", "--no-default-groups", "--python", minor, *extras]
    run(command, {"UV_PROJECT_ENVIRONMENT": str(target)})
    why = "other libraries are installed here" if same_lock else f"{LOCK} is another here"
    return Environment(os.fspath(target / "bin/python"), f"an environment made from the recorded lock: {why}")
