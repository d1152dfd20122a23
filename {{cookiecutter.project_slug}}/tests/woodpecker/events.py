"""What happens to a repository, and the variables that Woodpecker 3 makes of it."""

import itertools
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SERVER = "https://ci.example.com"
FORGE = "https://git.example.com/team/project"
NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Event:
    """One start of the repository's pipeline."""

    name: str
    """push, pull_request, tag, cron or manual."""
    origin: Path
    """The repository that is cloned."""
    ref: str
    commit: str
    branch: str = ""
    message: str = ""
    cron: str = ""
    """Name of the cron job."""
    source_branch: str = ""
    """Of a pull request; `branch` is its target."""
    given: Mapping[str, str] = field(default_factory=dict)
    """What somebody typed in for a manual pipeline."""
    number: int = field(default_factory=lambda: next(NUMBERS))

    def variables(self, workflow: str) -> dict[str, str]:
        """Known when a workflow's file is read; what is empty is not there at all, as in Woodpecker."""
        pull = self.name == "pull_request"
        known = {
            "CI": "woodpecker",
            "CI_SYSTEM_NAME": "woodpecker",
            "CI_SYSTEM_URL": SERVER,
            "CI_SYSTEM_HOST": "ci.example.com",
            "CI_SYSTEM_PLATFORM": "linux/amd64",
            "CI_SYSTEM_VERSION": "3.17.0",
            "CI_FORGE_TYPE": "forgejo",
            "CI_FORGE_URL": "https://git.example.com",
            "CI_REPO": "team/project",
            "CI_REPO_NAME": "project",
            "CI_REPO_OWNER": "team",
            "CI_REPO_URL": FORGE,
            "CI_REPO_CLONE_URL": self.origin.as_uri(),
            "CI_REPO_DEFAULT_BRANCH": "main",
            "CI_REPO_PRIVATE": "true",
            "CI_PIPELINE_NUMBER": str(self.number),
            "CI_PIPELINE_PARENT": "0",
            "CI_PIPELINE_EVENT": self.name,
            "CI_PIPELINE_URL": f"{SERVER}/repos/7/pipeline/{self.number}",
            "CI_PIPELINE_FORGE_URL": f"{FORGE}/commit/{self.commit}",
            "CI_PIPELINE_FILES": "[]",
            "CI_COMMIT_SHA": self.commit,
            "CI_COMMIT_REF": self.ref,
            "CI_COMMIT_BRANCH": self.branch,
            "CI_COMMIT_TAG": self.ref.removeprefix("refs/tags/") if self.name == "tag" else "",
            "CI_COMMIT_MESSAGE": self.message,
            "CI_COMMIT_AUTHOR": "somebody",
            "CI_COMMIT_AUTHOR_EMAIL": "somebody@example.com",
            "CI_COMMIT_REFSPEC": f"{self.source_branch}:{self.branch}" if pull else "",
            "CI_COMMIT_SOURCE_BRANCH": self.source_branch,
            "CI_COMMIT_TARGET_BRANCH": self.branch if pull else "",
            "CI_COMMIT_PULL_REQUEST": self.ref.split("/")[2] if pull else "",
            "CI_WORKFLOW_NAME": workflow,
        }
        return dict(self.given) | {name: value for name, value in known.items() if value}


def push(origin: Path, branch: str = "main") -> Event:
    """Somebody pushed to a branch."""
    ref = f"refs/heads/{branch}"
    return Event("push", origin, ref, commit(origin, ref), branch, subject(origin, ref))


def pull_request(origin: Path, source: str, number: int = 3, into: str = "main") -> Event:
    """Somebody asks to merge a branch; the forge keeps its head under a ref of the request."""
    git(origin, "update-ref", f"refs/pull/{number}/head", f"refs/heads/{source}")
    ref = f"refs/pull/{number}/head"
    return Event("pull_request", origin, ref, commit(origin, ref), into, subject(origin, ref), source_branch=source)


def tag(origin: Path, name: str) -> Event:
    """Somebody pushed a tag; no branch is known then."""
    ref = f"refs/tags/{name}"
    return Event("tag", origin, ref, commit(origin, ref), message=f"created tag {name}")


def cron(origin: Path, name: str, branch: str = "main") -> Event:
    """It is time."""
    ref = f"refs/heads/{branch}"
    return Event("cron", origin, ref, commit(origin, ref), branch, name, cron=name)


def manual(origin: Path, branch: str = "main", **given: str) -> Event:
    """Somebody pressed the button, and typed in variables."""
    ref = f"refs/heads/{branch}"
    return Event("manual", origin, ref, commit(origin, ref), branch, f"MANUAL PIPELINE @ {branch}", given=given)


def commit(origin: Path, ref: str) -> str:
    """The commit that a ref means; of an annotated tag, the one that it is on."""
    return git(origin, "rev-parse", f"{ref}^0")


def subject(origin: Path, ref: str) -> str:
    """The first line of a commit's message."""
    return git(origin, "show", "--no-patch", "--format=%s", ref)


def git(folder: Path, *arguments: str) -> str:
    """What git prints in a repository."""
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()
