"""Makes a release's commit and tag, both or neither."""

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.utils.repository import find_tag, git

from tools.release_plan import Plan


def carry_out(plan: Plan) -> None:
    """Write the files, commit them, and tag the commit; the tree was clean before.

    Raises:
        UserError: git failed, a hook of the repository among others; all is as it was before.
    """
    head = git("rev-parse", "HEAD")
    if head is None or find_tag(plan.release.tag) is not None:
        raise UserError(f"there is a tag {plan.release.tag} already: delete it, or push it")
    try:
        for name, (_, after) in plan.files.items():
            Path(name).write_bytes(after)
        if plan.files:
            _run("commit", "--quiet", "--message", plan.message, "--only", "--", *plan.files)
            _check_commit(plan, head)
        _run("tag", "--annotate", "--cleanup=whitespace", "--message", plan.annotation, plan.release.tag)
    except BaseException:
        with _undisturbed():
            _restore(plan, head)
        raise


def _check_commit(plan: Plan, head: str) -> None:
    """Refuse a commit that a hook of the repository put more into."""
    changed = set((git("diff", "--name-only", head, "HEAD") or "").split())
    if changed != {name for name, (before, after) in plan.files.items() if before != after}:
        raise UserError(f"the commit changed {', '.join(sorted(changed))}, so it was taken back: look at git's hooks")


def _restore(plan: Plan, head: str) -> None:
    """Take back what was made: nothing else changed, or the tree would not have been clean."""
    if find_tag(plan.release.tag) is not None:
        _run("tag", "--delete", plan.release.tag)
    if git("rev-parse", "HEAD") != head:
        _run("reset", "--quiet", "--soft", head)
    if plan.files:
        _run("restore", f"--source={head}", "--staged", "--worktree", "--", *plan.files)


def _run(*arguments: str) -> None:
    """A git command, whose hooks may print; an interruption lets it end by itself, so that it leaves no lock."""
    with subprocess.Popen(["git", *arguments], stdin=subprocess.DEVNULL) as child:
        try:
            code = child.wait()
        except KeyboardInterrupt:
            child.terminate()
            raise
    if code:
        raise UserError(f"git {arguments[0]} failed with exit code {code}: nothing was changed")


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Neither Ctrl-C nor SIGTERM stops what is done here, nor the processes that it starts."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
