"""The last servables that a reference led to and that worked: what a server starts from while the registry is down."""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..ports import Version
from ..utils.files import replacing
from .references import Resolved

LOCK_FILE = ".lock"
RECORDS = ".last_good"
_VERSION_FOLDER = re.compile(r"\.?\d+-[^/]+")


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
        for entry in _entries(self._path):
            folder = self._cache / entry["folder"]
            if folder.is_dir():
                return Resolved(self._reference, folder, Version(**entry["version"] | {"aliases": (), "tags": {}}))
        return None

    def write(self, resolved: Resolved) -> None:
        """Record a servable that has been loaded and checked; the one before it is remembered too."""
        version = asdict(resolved.version) if resolved.version else {}
        kept = {key: version[key] for key in ("name", "version", "run_id")}
        entry = {"folder": resolved.folder.relative_to(self._cache).as_posix(), "version": kept}
        before = [other for other in _entries(self._path) if other["folder"] != entry["folder"]][:1]
        with replacing(self._path) as aside:
            document = {"reference": self._reference, "servables": [entry, *before]}
            aside.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

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
            kept = {entry["folder"] for path in self._path.parent.glob("*.json") for entry in _entries(path)}
            for folder in (self._cache / model).iterdir():
                if folder.is_dir() and folder.relative_to(self._cache).as_posix() not in kept:
                    self.discard(folder)


def _entries(path: Path) -> list[dict[str, Any]]:
    """The newest first; none where there is no record, or it cannot be read."""
    try:
        entries: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["servables"]
    except (OSError, ValueError, KeyError):
        return []
    return entries


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
