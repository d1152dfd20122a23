"""Registries in memory: one that is killed between two writes, and one that goes down and loses files."""

import copy
import itertools
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from {{ cookiecutter.project_slug }}.ports import (
    HAND,
    AliasMovedError,
    Entry,
    Move,
    Mover,
    State,
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
        self.record: list[Entry] = []
        self.clock = [1000.0]
        self.writes_left: float = float("inf")
        self.race = False
        """Whether another process moves each alias right after it was set."""
        self._before_write: Callable[[], None] = lambda: None
        self._folders = folders or {}
        self._check: Callable[[], None] | None = None

    @property
    def now(self) -> float:
        """The registry's clock, in seconds."""
        return self.clock[0]

    def other_process(self) -> "MemoryRegistry":
        """The same registry, as another process sees it."""
        other = copy.copy(self)
        other._before_write, other._check, other.writes_left = lambda: None, None, float("inf")
        return other

    def number_writes(self, tell: Callable[[int], None]) -> None:
        """From now on, tell the number of each write to aliases or tags before it is made."""
        numbers = itertools.count(1)
        self._before_write = lambda: tell(next(numbers))

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

    def set_alias(
        self, version: Version, alias: str, by: Mover = HAND, *, report: str | None = None, release: str | None = None
    ) -> None:
        history = json.loads(self.facts[version.version].get("history", "[]"))
        facts = {"pipeline": by.pipeline, "commit": by.commit, "report": report, "release": release}
        move = {"alias": alias, "by": by.by, "before": self.aliases.get(alias)}
        history.append(move | {key: value for key, value in facts.items() if value is not None})
        self._write()
        self.facts[version.version]["history"] = json.dumps(history)
        self._write()
        self.aliases[alias] = version.version
        if self.race:
            raise AliasMovedError(f"{alias} was moved")

    def remove_alias(self, version: Version, alias: str, by: Mover) -> None:
        self._write()
        del self.aliases[alias]

    def tag(self, version: Version, facts: Mapping[str, str | None]) -> None:
        for key, value in facts.items():
            self._write()
            self.facts[version.version].pop(key, None)
            if value is not None:
                self.facts[version.version][key] = value

    def append(self, name: str, move: Move) -> Entry:
        self._spend()
        self.record.append(Entry(name, len(self.record) + 1, move, "open", self.now))
        return self.record[-1]

    def entries(self, name: str, state: State | None = None) -> list[Entry]:
        return [entry for entry in reversed(self.record) if state in (None, entry.state)]

    def close(self, entry: Entry, state: State) -> None:
        self._spend()
        self.record[entry.number - 1] = replace(entry, state=state)

    @contextmanager
    def guarded(self, check: Callable[[], None], seconds: float) -> Iterator[None]:
        before, self._check = self._check, check
        try:
            yield
        finally:
            self._check = before

    def attach(self, version: Version, path: Path, folder: str) -> None:
        self.files[f"{folder}/{path.name}"] = path.read_text(encoding="utf-8")

    def state(self) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        """Aliases, and tags without histories."""
        facts = {n: {k: v for k, v in tags.items() if k != "history"} for n, tags in self.facts.items()}
        return dict(self.aliases), facts

    def wait(self, seconds: float) -> None:
        """Time that passes."""
        self.clock[0] += seconds

    def _write(self) -> None:
        """To aliases and tags."""
        self._before_write()
        if self._check is not None:
            self._check()
        self._spend()

    def _spend(self) -> None:
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
