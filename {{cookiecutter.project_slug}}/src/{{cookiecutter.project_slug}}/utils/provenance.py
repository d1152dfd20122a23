"""What a run was made from: commit, lock, machine."""

import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .files import sha256
from .machine import cpu, threads
from .repository import git

PACKAGES = ("lightgbm", "lightning", "mlflow", "numpy", "onnx", "onnxruntime", "scikit-learn", "torch", "xgboost-cpu")
REVISION = re.compile(r"(?P<commit>[0-9a-f]{40,64})(?P<mark>-dirty)?")
"""How an image names the commit that it was built from."""


@dataclass(frozen=True)
class Code:
    """The state of the repository; None where it could not be known."""

    commit: str | None
    branch: str | None
    dirty: bool | None
    lock: str | None
    """sha256 of uv.lock."""

    @property
    def gaps(self) -> list[str]:
        """What could not be recorded, and how it can be."""
        found = []
        if self.commit is None:
            found.append("no commit (run `git init` and commit the project)")
        elif self.dirty is None:
            found.append("whether changes are uncommitted (`git status` fails: is all of `generated` in the project?)")
        elif self.dirty:
            found.append("uncommitted changes (commit them before a run that is to be released)")
        if self.lock is None:
            found.append("no uv.lock (run `make setup` and commit it)")
        return found


def code(generated: Sequence[str], revision: str | None = None) -> Code:
    """The state of the repository in the working directory.

    Args:
        generated: files and folders whose changes are no one's work: tools rewrite them around the run.
        revision: what an image says of its commit; it counts where there is no repository.
    """
    top = git("rev-parse", "--show-toplevel")
    if top is None or Path(top) != Path.cwd().resolve():  # a repository further up knows nothing of this project
        built = REVISION.fullmatch(revision or "")
        return (
            Code(built["commit"], None, built["mark"] is not None, _lock())
            if built
            else Code(None, None, None, _lock())
        )
    commit, status = git("rev-parse", "HEAD"), git("status", "--porcelain", "--", ".", *_but(generated))
    dirty = None if commit is None or status is None else bool(status)
    return Code(commit, git("branch", "--show-current"), dirty, _lock())


def knows(commit: str) -> bool:
    """Whether the repository of the working directory has a commit."""
    named = REVISION.fullmatch(commit)
    return named is not None and git("cat-file", "-e", f"{named['commit']}^{{commit}}") is not None


def system() -> dict[str, str]:
    """Machine and libraries, by name."""
    facts = {
        "system.platform": platform.platform(),
        "system.processor": platform.processor() or platform.machine(),
        "system.cpu": cpu(),
        "system.threads": threads(),
        "system.python": platform.python_version(),
    }
    for package in PACKAGES:
        try:
            facts[f"package.{package}"] = version(package)
        except PackageNotFoundError:
            facts[f"package.{package}"] = "absent"
    return facts


def _but(paths: Sequence[str]) -> list[str]:
    return [f":(exclude,literal){path}" for path in paths]


def _lock() -> str | None:
    path = Path("uv.lock")
    return sha256(path) if path.is_file() else None
