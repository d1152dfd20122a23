"""The last servables that a reference led to and that worked: what a server starts from while the registry is down."""

import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel

from ..ports import Version
from ..utils.files import replacing
from .references import Resolved

LOCK_FILE = ".lock"
RECORDS = ".last_good"
_VERSION_FOLDER = re.compile(r"\.?\d+-[^/]+")


class _Servable(BaseModel):
    """One servable of the cache, and the version that it is."""

    folder: str
    """Below the cache."""
    name: str
    version: str
    run_id: str | None


class _Record(BaseModel):
    """What the file holds."""

    reference: str
    servables: list[_Servable]
    """The newest first."""


class LastGood:
    """The record of one reference in a cache of servables; several servers may share the cache.

    Args:
        cache: the folder that the registry downloads to, as `<model>/<version>-<run>`.
        store: the registry's address; only a digest of it is written.
        reference: what is served.
    """

    def __init__(self, cache: Path, store: str, reference: str) -> None:
        self._cache, self._reference = cache, reference
        name = hashlib.sha256(f"{store}\n{reference}".encode()).hexdigest()[:16]
        self._path = cache / RECORDS / f"{name}.json"

    def read(self) -> Resolved | None:
        """The servable that was recorded last, if it is still there."""
        for servable in _servables(self._path):
            folder = self._cache / servable.folder
            if folder.is_dir():
                version = Version(servable.name, servable.version, servable.run_id, (), {})
                return Resolved(self._reference, folder, version)
        return None

    def write(self, resolved: Resolved) -> None:
        """Record a servable that has been loaded and checked; the one before it is remembered too."""
        assert resolved.version is not None
        folder, version = resolved.folder.relative_to(self._cache).as_posix(), resolved.version
        newest = _Servable(folder=folder, name=version.name, version=version.version, run_id=version.run_id)
        before = [servable for servable in _servables(self._path) if servable.folder != folder][:1]
        record = _Record(reference=self._reference, servables=[newest, *before])
        with replacing(self._path) as aside:
            aside.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")

    @contextmanager
    def using(self) -> Iterator[None]:
        """Hold the cache while a servable is downloaded, loaded and recorded: nobody cleans meanwhile."""
        self._cache.mkdir(parents=True, exist_ok=True)
        with _locked(self._cache / LOCK_FILE, alone=False):
            yield

    def discard(self, folder: Path) -> None:
        """Remove a copy that does not load, so that it is downloaded anew."""
        if _VERSION_FOLDER.fullmatch(folder.name) and folder.parent.parent == self._cache:
            shutil.rmtree(folder, ignore_errors=True)

    def clean(self, model: str) -> None:
        """Remove the versions of a model that no record names, and what interrupted downloads left behind.

        Where another server is using the cache just now, it is left for the next time.
        """
        with _locked(self._cache / LOCK_FILE, alone=True) as held:
            if not held:
                return
            kept = {servable.folder for path in self._path.parent.glob("*.json") for servable in _servables(path)}
            for folder in (self._cache / model).iterdir():
                if folder.is_dir() and folder.relative_to(self._cache).as_posix() not in kept:
                    self.discard(folder)


def _servables(path: Path) -> list[_Servable]:
    """The newest first; none where there is no record, or it cannot be read."""
    try:
        return _Record.model_validate_json(path.read_bytes()).servables
    except (OSError, ValueError):
        return []


@contextmanager
def _locked(path: Path, *, alone: bool) -> Iterator[bool]:
    """Hold a lock with others, or alone where nobody else holds it; gives whether it is held."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield True
        return
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
        except BlockingIOError:
            yield False
            return
        yield True
