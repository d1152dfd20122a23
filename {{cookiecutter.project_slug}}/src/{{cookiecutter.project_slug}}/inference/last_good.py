"""The last servables that a reference led to and that worked: what a server starts from while the registry is down."""

import hashlib
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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

    def read(self) -> list[Resolved]:
        """The servables that were recorded and are still there, the newest first."""
        return [
            Resolved(self._reference, folder, Version(servable.name, servable.version, servable.run_id, (), {}))
            for servable in _servables(self._path) or ()
            if (folder := self._cache / servable.folder).is_dir()
        ]

    def write(self, resolved: Resolved) -> None:
        """Record a servable that has been loaded and checked; the one before it is remembered too."""
        assert resolved.version is not None
        folder, version = resolved.folder.relative_to(self._cache).as_posix(), resolved.version
        newest = _Servable(folder=folder, name=version.name, version=version.version, run_id=version.run_id)
        before = [servable for servable in _servables(self._path) or () if servable.folder != folder][:1]
        record = _Record(reference=self._reference, servables=[newest, *before])
        with replacing(self._path) as aside:
            aside.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")

    @contextmanager
    def using(self) -> Iterator[None]:
        """Hold the cache while a servable is downloaded, loaded and recorded: nobody cleans meanwhile."""
        self._cache.mkdir(parents=True, exist_ok=True)
        with _locked(self._cache / LOCK_FILE, alone=False):
            yield

    def discard(self, folder: Path, copy: int | None = None) -> None:
        """Remove a copy that does not load, so that it is downloaded anew.

        Args:
            folder: of the version.
            copy: the inode of the copy that is meant, where another server may have replaced it meanwhile.
        """
        if not _VERSION_FOLDER.fullmatch(folder.name) or folder.parent.parent != self._cache:
            return
        if copy is None or copy == inode(folder):
            aside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}")
            with suppress(FileNotFoundError):
                folder.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)

    def clean(self, model: str) -> None:
        """Remove the versions of a model that no record names, and what interrupted downloads left behind.

        Where another server is using the cache just now, it is left for the next time.
        """
        with _locked(self._cache / LOCK_FILE, alone=True) as held:
            if not held:
                return
            records = [_servables(path) for path in self._path.parent.glob("*.json")]
            if any(record is None for record in records):
                return  # what it names is not known
            kept = {servable.folder for record in records for servable in record or ()}
            for folder in (self._cache / model).iterdir():
                if folder.is_dir() and folder.relative_to(self._cache).as_posix() not in kept:
                    self.discard(folder)


def inode(folder: Path) -> int | None:
    """What tells one copy of a folder from another under the same name; None where there is none."""
    try:
        return folder.stat().st_ino
    except FileNotFoundError:
        return None


def _servables(path: Path) -> list[_Servable] | None:
    """The newest first; none where there is no record; None where it cannot be read."""
    try:
        return _Record.model_validate_json(path.read_bytes()).servables
    except FileNotFoundError:
        return []
    except (OSError, ValueError):
        return None


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
