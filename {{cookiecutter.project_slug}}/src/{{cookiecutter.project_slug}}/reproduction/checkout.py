"""A commit in a folder of its own: a worktree of the project's repository, gone when the block ends."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..ports import UserError
from ..utils.interruption import held_back
from ..utils.provenance import knows
from ..utils.repository import check_here


@contextmanager
def checked_out(commit: str, folder: Path) -> Iterator[None]:
    """Check a commit of the repository in the working directory out into `folder`, and remove it at the end.

    Raises:
        UserError: there is no repository here, or it does not have the commit.
    """
    check_here()
    if not knows(commit):
        raise UserError(
            f"this repository has no commit {commit}: fetch it (`git fetch --all`; `--unshallow` if shallow)"
        )
    try:
        # a hook of somebody's repository has no business in a folder that is gone in a minute
        done = _git("-c", "core.hooksPath=/dev/null", "worktree", "add", "--quiet", "--detach", str(folder), commit)
        if done.returncode:
            raise UserError(f"git cannot check {commit[:12]} out: {_last_line(done.stderr)}")
        yield
    finally:
        with held_back():  # a second Ctrl-C must not leave an entry in .git/worktrees
            _git("worktree", "remove", "--force", "--force", str(folder))
            shutil.rmtree(folder, ignore_errors=True)
            _git("worktree", "prune")


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git out of reach of the terminal's Ctrl-C, which would leave its work half-done."""
    try:
        return subprocess.run(
            ["git", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, start_new_session=True
        )
    except OSError as error:
        raise UserError(f"git cannot be run ({error.strerror}): install it") from None


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it does not say why"])[-1]
