"""The finished parts of an output, kept beside it until all are there: a kill costs one part at most."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from ..ports import UserError
from ..utils.files import WriteError, synced, writing
from .tables import Writer

try:
    import fcntl
except ImportError:  # Windows: two runs on one output are not noticed there
    fcntl = None  # type: ignore[assignment]

MANIFEST = "manifest.json"
SCORED, REJECTED = "scored", "rejected"


@dataclass
class Counts:
    """What became of some rows."""

    rows: int = 0
    rejected: int = 0
    first_reason: str | None = None
    """Why the first rejected row was."""
    unusual: dict[str, int] = field(default_factory=dict)
    """Values that training never saw, by column."""

    @property
    def scored(self) -> int:
        """Rows with a prediction."""
        return self.rows - self.rejected

    def __add__(self, other: "Counts") -> "Counts":
        unusual = {
            name: self.unusual.get(name, 0) + other.unusual.get(name, 0) for name in {**self.unusual, **other.unusual}
        }
        first = self.first_reason or other.first_reason
        return Counts(self.rows + other.rows, self.rejected + other.rejected, first, unusual)


@dataclass
class Part:
    """Some consecutive rows after they were scored."""

    scored: list[pa.Table] = field(default_factory=list)
    """Keys and predictions."""
    rejected: list[pa.Table] = field(default_factory=list)
    """Rows without a prediction, as `rejects.rejected` returns them."""
    counts: Counts = field(default_factory=Counts)


class Parts:
    """A folder with a manifest, and for each finished part its rows and, written last, its counts.

    Every file is written aside and renamed, so that whatever is there is whole.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.counts: list[Counts] = []
        self.dropped = False

    @classmethod
    @contextmanager
    def of(cls, target: Path, identity: Mapping[str, Any]) -> Iterator[Self]:
        """The parts of one output: those that are finished of the same work; those of another are dropped.

        The folder goes when the block succeeds, when the input is at fault, and when nothing is finished; it stays
        when the machine is at fault or somebody interrupts.

        Args:
            target: the output.
            identity: what the parts depend on, as JSON has it.

        Raises:
            UserError: another process works on the same output.
            WriteError: the folder cannot be written.
        """
        parts = cls(target.with_name(f".{target.name}.parts"))
        with _locked(parts.folder, target):
            parts._resume(json.dumps(identity))
            try:
                yield parts
            except BaseException as error:
                if not parts.counts or (isinstance(error, UserError) and not isinstance(error, WriteError)):
                    parts.clear()
                raise
            parts.clear()

    def add(self, part: Part) -> None:
        """Keep the next part.

        Raises:
            WriteError: there is no room for it.
        """
        for kind, tables in ((SCORED, part.scored), (REJECTED, part.rejected)):
            if tables:
                with synced(self._path(kind, ".arrow")) as file, pa.ipc.new_file(file, tables[0].schema) as writer:
                    for table in tables:
                        writer.write_table(table)
        self._write(self._path("counts", ".json"), json.dumps(asdict(part.counts)))
        self.counts.append(part.counts)

    def join(self, kind: str, path: Path, suffix: str) -> None:
        """Write the rows of all parts into one file, in their order."""
        with synced(path) as file:
            writer = Writer(file, suffix)
            try:
                for number, counts in enumerate(self.counts):
                    if counts.scored if kind == SCORED else counts.rejected:
                        with pa.OSFile(str(self._path(kind, ".arrow", number))) as source:
                            writer.write(pa.ipc.open_file(source).read_all())
            finally:
                writer.close()

    def clear(self) -> None:
        """Remove the folder."""
        (self.folder / MANIFEST).unlink(missing_ok=True)  # first: without it the rest says nothing
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def _resume(self, identity: str) -> None:
        manifest = self.folder / MANIFEST
        if manifest.is_file() and manifest.read_text(encoding="utf-8") == identity:
            while (path := self._path("counts", ".json")).is_file():
                self.counts.append(Counts(**json.loads(path.read_text(encoding="utf-8"))))
            return
        self.dropped = manifest.is_file()
        with writing(self.folder):
            for path in [manifest, *self.folder.iterdir()]:
                path.unlink(missing_ok=True)
        self._write(manifest, identity)

    def _path(self, kind: str, suffix: str, number: int | None = None) -> Path:
        return self.folder / f"{len(self.counts) if number is None else number:06}.{kind}{suffix}"

    def _write(self, path: Path, text: str) -> None:
        with synced(path) as file:
            file.write(text.encode())


@contextmanager
def _locked(folder: Path, target: Path) -> Iterator[None]:
    """Hold the folder for this process, making it where it is not there."""
    handle = _lock(folder, target)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _lock(folder: Path, target: Path) -> int | None:
    while True:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        if fcntl is None:
            return None
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # whoever held it has finished in this moment
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if folder.exists() and os.path.samestat(os.fstat(handle), folder.stat()):
                return handle
        except BlockingIOError:
            os.close(handle)
            raise UserError(f"another predict writes {target}: wait for it, or name another output") from None
        os.close(handle)
