"""Makes a release's commit and tag, both or neither."""

import contextlib
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.utils.interruption import held_back
from {{ cookiecutter.project_slug }}.utils.repository import find_tag, git

from tools.release_plan import Plan

POLL_SECONDS = 0.1


def carry_out(plan: Plan) -> None:
    """Write the files, commit them, and tag the commit; the tree was clean before.

    Raises:
        UserError: git failed, a hook of the repository among others; all is as it was before.
    """
    head = git("rev-parse", "HEAD")
    if head is None or find_tag(plan.release.tag) is not None:
        raise UserError(f"there is a tag {plan.release.tag} already: delete it, or push it")
    try:
        with held_back() as check:  # also while a process starts
            for name, (_, after) in plan.files.items():
                Path(name).write_bytes(after)
            if plan.files:
                _run("commit", "--quiet", "--message", plan.message, "--only", "--", *plan.files, check=check)
                _check_commit(plan, head)
            annotation = ["--annotate", "--cleanup=whitespace", "--message", plan.annotation]
            _run("tag", *annotation, plan.release.tag, check=check)
    except BaseException:
        with _undisturbed():
            _restore(plan, head)
        raise


def _check_commit(plan: Plan, head: str) -> None:
    """Refuse a commit that a hook of the repository put more into."""
    changed = set((git("diff", "--name-only", head, "HEAD") or "").split("\n"))
    if changed != set(plan.files):
        raise UserError(f"the commit changed {', '.join(sorted(changed))}, so it was taken back: look at git's hooks")


def _restore(plan: Plan, head: str) -> None:
    """Take back the tag, the commit, and what they changed; anything else is somebody's work."""
    if find_tag(plan.release.tag) is not None:
        _run("tag", "--delete", plan.release.tag)
    files = {*plan.files, *(git("diff", "--name-only", head, "HEAD") or "").split("\n")} - {""}
    if git("rev-parse", "HEAD") != head:
        _run("reset", "--quiet", "--soft", head)
    if files:
        _run("restore", f"--source={head}", "--staged", "--worktree", "--", *sorted(files))


def _run(*arguments: str, check: Callable[[], None] = lambda: None) -> None:
    """A git command, whose hooks may print; `check` interrupts it, and it ends by itself, so that it leaves no lock."""
    with subprocess.Popen(["git", *arguments], stdin=subprocess.DEVNULL) as child:
        while child.poll() is None:
            try:
                check()
            except KeyboardInterrupt:
                child.terminate()
                raise
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(POLL_SECONDS)
    if child.returncode:
        raise UserError(f"git {arguments[0]} failed with exit code {child.returncode}: nothing was changed")


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Neither Ctrl-C nor SIGTERM stops what is done here, nor the processes that it starts."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
