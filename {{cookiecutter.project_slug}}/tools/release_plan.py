"""What a release would change, as values: number, files, commit, tag. Nothing is written here."""

import difflib
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from {{ cookiecutter.project_slug }}.ports import UserError, Version
from {{ cookiecutter.project_slug }}.promotion.releasable import SAME
from {{ cookiecutter.project_slug }}.promotion.release import (
    RELEASED,
    STAGED,
    Release,
    annotated,
    has_section,
    parse,
)
from {{ cookiecutter.project_slug }}.utils.repository import git, tags

BUMPS = ("none", "patch", "minor", "major")
"""From the smallest to the largest."""
SETTINGS, NUMBER, CHANGELOG = ".bumpversion.toml", "VERSION", "CHANGELOG.md"


@dataclass(frozen=True)
class Plan:
    """A release, before it is made."""

    release: Release
    version: Version
    branch: str
    """Empty where HEAD is detached."""
    files: Mapping[str, tuple[bytes, bytes]] = field(default_factory=dict)
    """What they hold, and what they will; none: there is nothing to commit."""

    @property
    def message(self) -> str:
        """Of the commit."""
        return f"Release {self.release.number}"

    @property
    def annotation(self) -> str:
        """Of the tag."""
        return annotated(self.release, f"models:/{self.version.name}/{self.version.version}")

    @property
    def push(self) -> str:
        """The command that hands it to CI."""
        remote = git("config", f"branch.{self.branch}.remote") or "origin"
        what = f"--atomic {remote} {self.branch}" if self.branch else remote
        return f"git push {what} {self.release.tag}"

    def shown(self) -> str:
        """For a terminal: everything that would be written."""
        held = ", ".join(self.version.aliases) or "no alias"
        lines = [f"version  models:/{self.version.name}/{self.version.version} ({held})"]
        for name, (before, after) in self.files.items():
            old, new = (data.decode("utf-8").splitlines() for data in (before, after))
            diff = list(difflib.unified_diff(old, new, f"a/{name}", f"b/{name}", lineterm=""))
            lines += ["", *diff]
        lines += ["", f"commit   {self.message if self.files else 'none: HEAD carries the number already'}"]
        lines += [f"tag      {self.release.tag}"]
        lines += [f"         {line}".rstrip() for line in self.annotation.splitlines()]
        return "\n".join([*lines, f"push     {self.push}"])


def candidate(version: Version, versions: Sequence[Version], bump: str | None) -> Plan:
    """The next candidate for a version: of the number that VERSION has, or of the one after it.

    A number that has candidates and no release yet is only raised where `bump` asks for more than it is already.

    Args:
        version: what becomes the candidate.
        versions: all versions of its model.
        bump: one of BUMPS; None: `none` until the number in VERSION is released, then `minor`.

    Raises:
        UserError: the number is released and not to be raised, or nothing is written down as unreleased.
    """
    number, changelog = _number(), Path(CHANGELOG).read_text(encoding="utf-8")
    started, released = has_section(changelog, number), number in _released(versions)
    if bump is None:
        bump = "minor" if released else "none"
    if released and bump == "none":
        raise UserError(f"{number} is released already: raise it, --bump patch, minor or major")
    if started and not released and BUMPS.index(bump) <= BUMPS.index(_size(number)):
        bump = "none"
    files: dict[str, tuple[bytes, bytes]] = {}
    if bump != "none" or not started:
        if not _unreleased(changelog):
            raise UserError(f"{CHANGELOG} has nothing under `## [Unreleased]`: write there what changed, and commit it")
        files = _bumped(number, bump)
        number = files[NUMBER][1].decode("utf-8").strip() if NUMBER in files else number
    branch = git("branch", "--show-current") or ""
    if files and not branch:
        raise UserError("HEAD is on no branch, where a commit would be lost: check one out first")
    return Plan(Release(number, _next_candidate(number, versions)), version, branch, files)


def final(version: Version, versions: Sequence[Version]) -> Plan:
    """The release of a version under the number that VERSION has.

    Raises:
        UserError: the number has no candidate, or is released already; or the version was a candidate of another.
    """
    number = _number()
    first = "make a candidate first, `candidate`"
    if number in _released(versions):
        raise UserError(f"{number} is released already: {first}")
    if not has_section(Path(CHANGELOG).read_text(encoding="utf-8"), number):
        raise UserError(f"{CHANGELOG} has no section `## [{number}]`: {first}")
    staged = version.tags.get(STAGED)
    if staged is not None and staged.partition("-")[0] != number:
        name = f"{version.name} version {version.version}"
        raise UserError(
            f"{name} got staging as {staged}, and VERSION says {number}: push that one's candidate, or {first}"
        )
    return Plan(Release(number, None), version, git("branch", "--show-current") or "")


def _number() -> str:
    number = Path(NUMBER).read_text(encoding="utf-8").strip()
    try:
        plain = parse(f"v{number}").candidate is None
    except UserError:
        plain = False
    if not plain:
        raise UserError(f"{NUMBER} says {number!r}: it has to be X.Y.Z")
    return number


def _released(versions: Sequence[Version]) -> set[str]:
    """Numbers that git or the registry knows as released."""
    return {name[1:] for name in tags("v*") if "-" not in name} | {one.tags.get(RELEASED, "") for one in versions}


def _next_candidate(number: str, versions: Sequence[Version]) -> int:
    names = [name[1:] for name in tags(f"v{number}-rc.*")] + [one.tags.get(STAGED, "") for one in versions]
    found = (re.fullmatch(rf"{re.escape(number)}-rc\.([0-9]+)", name) for name in names)
    return 1 + max((int(one[1]) for one in found if one), default=0)


def _size(number: str) -> str:
    """Which bump a number is the result of."""
    _, minor, patch = number.split(".")
    return "patch" if patch != "0" else "minor" if minor != "0" else "major"


def _unreleased(changelog: str) -> bool:
    """Whether anything but headings stands under `## [Unreleased]`."""
    found = re.search(r"^## \[Unreleased\]$(?P<text>.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    lines = map(str.strip, found["text"].split("\n")) if found else ()
    return any(line and not line.startswith("#") for line in lines)


def _bumped(number: str, bump: str) -> dict[str, tuple[bytes, bytes]]:
    """What bump-my-version makes of the files that its settings name, in a folder aside."""
    how = ["replace", "--new-version", number] if bump == "none" else ["bump", bump]
    named = [
        entry["filename"] for entry in tomllib.loads(Path(SETTINGS).read_text("utf-8"))["tool"]["bumpversion"]["files"]
    ]
    for name in named:
        if Path(name).parts[0] in SAME:
            raise UserError(f"{SETTINGS} names {name}, of which a model is trained: a release cannot change it")
    files = [name for name in named if Path(name).is_file()]
    with TemporaryDirectory() as folder:
        aside = Path(folder)
        for name in (SETTINGS, *files):
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(name, aside / name)
        command = [sys.executable, "-m", "bumpversion", *how, "--current-version", number, "--config-file", SETTINGS]
        done = subprocess.run(command, cwd=aside, capture_output=True, text=True)
        if done.returncode:
            said = " ".join(line.strip("│ ") for line in done.stderr.splitlines() if line.startswith("│"))
            raise UserError(f"bump-my-version fails with {SETTINGS}: {said or done.stderr.strip()[-200:]}")
        both = {name: (Path(name).read_bytes(), (aside / name).read_bytes()) for name in files}
    return {name: (before, after) for name, (before, after) in both.items() if before != after}
