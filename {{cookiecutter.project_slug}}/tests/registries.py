"""A registry in memory, for tests of what follows one: it goes down, loses files, and its alias moves at will."""

import shutil
from pathlib import Path

from {{ cookiecutter.project_slug }}.ports import UnreachableError, UserError, Version


class FakeRegistry:
    """Versions are directories; a download is a copy into the cache, as the real one's.

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
