"""Registries in memory: one that is killed between two writes, and one that goes down and loses files."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from {{ cookiecutter.project_slug }}.ports import (
    AliasMovedError,
    UnreachableError,
    UserError,
    Version,
)


class KilledError(BaseException):
    """Stands for the end of the process."""


class MemoryRegistry:
    """Versions of one model `m`: what the lifecycle needs of a Registry.

    Args:
        count: how many versions there are, numbered from 1.
        folders: the servable of each version, where one is asked for.
    """

    embedded = True

    def __init__(self, count: int, folders: Mapping[str, Path] | None = None) -> None:
        self.aliases: dict[str, str] = {}
        self.facts: dict[str, dict[str, str]] = {str(number): {} for number in range(1, count + 1)}
        self.files: dict[str, str] = {}
        self.writes_left: float = float("inf")
        self.race = False
        """Whether another process moves each alias right after it was set."""
        self._folders = folders or {}

    def find(self, reference: str) -> Version:
        number = reference.removeprefix("models:/m").lstrip("/@")
        number = self.aliases.get(number, number)
        if number not in self.facts:
            raise UserError(f"m has no version {number}")
        held = tuple(sorted(alias for alias, holder in self.aliases.items() if holder == number))
        return Version("m", number, f"run-{number}", held, dict(self.facts[number]))

    def versions(self, name: str) -> list[Version]:
        return [self.find(f"models:/{name}/{number}") for number in sorted(self.facts, key=int, reverse=True)]

    def run_status(self, version: Version) -> str:
        return "FINISHED"

    def download(self, version: Version) -> Path:
        return self._folders[version.version]

    def set_alias(self, version: Version, alias: str, by: str = "hand") -> None:
        history = json.loads(self.facts[version.version].get("history", "[]"))
        history.append({"alias": alias, "by": by, "before": self.aliases.get(alias)})
        self._write()
        self.facts[version.version]["history"] = json.dumps(history)
        self._write()
        self.aliases[alias] = version.version
        if self.race:
            raise AliasMovedError(f"{alias} was moved")

    def remove_alias(self, version: Version, alias: str, by: str) -> None:
        self._write()
        del self.aliases[alias]

    def tag(self, version: Version, facts: Mapping[str, str | None]) -> None:
        for key, value in facts.items():
            self._write()
            self.facts[version.version].pop(key, None)
            if value is not None:
                self.facts[version.version][key] = value

    def attach(self, version: Version, path: Path, folder: str) -> None:
        self.files[f"{folder}/{path.name}"] = path.read_text(encoding="utf-8")

    def state(self) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        """Aliases, and tags without histories."""
        facts = {n: {k: v for k, v in tags.items() if k != "history"} for n, tags in self.facts.items()}
        return dict(self.aliases), facts

    def _write(self) -> None:
        if self.writes_left <= 0:
            raise KilledError
        self.writes_left -= 1


class FollowedRegistry:
    """For what follows an alias. Versions are directories; a download is a copy into the cache, as the real one's.

    Args:
        cache: where servables are downloaded to.
    """

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.folders: dict[str, Path] = {}
        self.alias: str | None = None
        self.down = self.down_for_downloads = False
        self.downloads: list[str] = []

    def add(self, number: str, folder: Path) -> None:
        """A new version, to which the alias moves."""
        self.folders[number], self.alias = folder, number

    def find(self, reference: str) -> Version:
        """Where the alias points, whatever the reference is."""
        del reference
        if self.down:
            raise UnreachableError("the registry is down")
        if self.alias is None:
            raise UserError("no version has the alias 'dev'")
        return Version("house", self.alias, f"run{self.alias}", ("dev",), {})

    def download(self, version: Version) -> Path:
        """A copy of the version's folder."""
        target = self.cache / version.name / f"{version.version}-{version.run_id}"
        if not target.is_dir():
            if self.down_for_downloads:
                raise UnreachableError("the registry is down")
            self.downloads.append(version.version)
            source = self.folders[version.version]
            if not source.is_dir():
                raise UserError(f"no artifact of version {version.version}")
            shutil.copytree(source, target)
        return target
