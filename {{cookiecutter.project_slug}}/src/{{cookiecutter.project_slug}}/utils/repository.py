"""What git knows of the repository in the working directory: tags, commits, and what lies in them."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..ports import UserError


@dataclass(frozen=True)
class Tag:
    """A tag of the repository."""

    commit: str
    annotation: str | None
    """Its message; None for a lightweight tag, which has none."""


@dataclass(frozen=True)
class Change:
    """What lies between the commit that trained a version and the one that is released."""

    trained: str
    commit: str
    known: bool
    """Whether the repository has the commit that trained."""
    shallow: bool
    """Whether its history was cut off when it was cloned."""
    descends: bool
    """Whether the released commit descends from the one that trained, or is that one."""
    differs: str | None
    """The first of the compared paths that is not the same in both, or that the released commit lacks."""
    lacks: bool
    """Whether the released commit lacks it."""


def git(*arguments: str) -> str | None:
    """What a git command prints, without white space around it; None where it fails."""
    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, encoding="utf-8", errors="replace", check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def check_here() -> None:
    """Whether the working directory is the root of a repository that git reads.

    Raises:
        UserError: it is not.
    """
    top = git("rev-parse", "--show-toplevel")
    if top is None or Path(top) != Path.cwd().resolve():  # a repository further up knows nothing of this project
        raise UserError(
            f"{Path.cwd()} is not the root of a git repository that git reads: run this in the project's clone"
        )


def find_tag(name: str) -> Tag | None:
    """A tag by its name."""
    commit = commit_of(f"refs/tags/{name}")
    if commit is None:
        return None
    annotated = git("cat-file", "-t", f"refs/tags/{name}") == "tag"
    return Tag(commit, git("tag", "--list", "--format=%(contents)", name) if annotated else None)


def tags(pattern: str) -> list[str]:
    """The names of the tags that a pattern such as `v1.2.0-rc.*` matches."""
    return (git("tag", "--list", pattern) or "").split()


def commit_of(revision: str) -> str | None:
    """The commit that a revision means."""
    return git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")


def file_at(commit: str, path: str) -> str | None:
    """The text of a file in a commit, without white space around it; None where the commit has none."""
    return git("show", f"{commit}:{path}")


def change(trained: str, commit: str, paths: Sequence[str]) -> Change:
    """Compare two commits in their history and in some paths."""
    known = commit_of(trained) == trained
    shallow = git("rev-parse", "--is-shallow-repository") != "false"
    descends = known and git("merge-base", "--is-ancestor", trained, commit) is not None
    for path in paths if known else ():
        there = git("rev-parse", "--verify", "--quiet", f"{commit}:{path}")
        if there is None or there != git("rev-parse", "--verify", "--quiet", f"{trained}:{path}"):
            return Change(trained, commit, known, shallow, descends, path, there is None)
    return Change(trained, commit, known, shallow, descends, None, False)
