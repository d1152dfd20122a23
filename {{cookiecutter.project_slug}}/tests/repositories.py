"""A git repository of a project for a test: what a release looks at, and nothing else."""

import subprocess
from pathlib import Path

CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A better model.\n"
NOW = ("-c", "user.name=Test", "-c", "user.email=test@example.com")


def git(folder: Path, *arguments: str) -> str:
    """What git prints in a folder."""
    done = subprocess.run(["git", *NOW, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, message: str, **files: str) -> str:
    """Write files (`src__model_py` is src/model.py), commit everything, and return the commit."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def first_commit(folder: Path) -> str:
    """A repository of what lies in a folder, in one commit, which is returned."""
    git(folder, "init", "--quiet")
    return commit(folder, "first")


def repository(folder: Path) -> str:
    """A commit with code, configuration, lock, VERSION 0.1.0 and something under Unreleased, on branch main."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    for key, value in (("user.name", "Test"), ("user.email", "test@example.com"), ("commit.gpgsign", "false")):
        git(folder, "config", key, value)
    return commit(
        folder, "Start", src__model_py="first\n", config__train_yaml="seed: 1\n", uv_lock="version = 1\n",
        VERSION="0.1.0\n", CHANGELOG_md=CHANGELOG,
    )  # fmt: skip


def bumped(folder: Path, number: str) -> str:
    """A commit in which VERSION and CHANGELOG.md carry a number."""
    text = CHANGELOG.replace("## [Unreleased]", f"## [Unreleased]\n\n## [{number}] - 2026-11-29")
    return commit(folder, f"Release {number}", VERSION=f"{number}\n", CHANGELOG_md=text)


def tag(folder: Path, name: str, annotation: str | None, commit: str = "HEAD") -> None:
    """A tag; without an annotation a lightweight one."""
    git(folder, "tag", *(["--annotate", "--message", annotation] if annotation is not None else []), name, commit)
