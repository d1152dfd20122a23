"""One model of a model repository on disk: versions beside each other, and the configuration that names one of them.

<repository>/<name>/config.pbtxt          the version that is served: a copy of its own
<repository>/<name>/<version>/            model.onnx, config.pbtxt, a classifier's labels.txt
<repository>/<name>/warmup/<version>/     a typical row, one file per input
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...ports import UserError
from ...schemas.contract import GRAPH_FILE
from ...utils.files import replacing, synced, writing
from .placement import Placement

try:
    import fcntl
except ImportError:  # Windows: two that write into one repository are not noticed there
    fcntl = None  # type: ignore[assignment]

CONFIG_FILE = "config.pbtxt"


class ModelRepository:
    """The folder of one model. Whoever writes holds `locked`.

    Args:
        root: the model repository.
        name: of the model.
    """

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name = root, name
        self._folder = root / name

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one who changes this model.

        Raises:
            UserError: another process does so now, or the repository cannot be written.
        """
        with writing(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.root / f".{self.name}.lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if fcntl is not None:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise UserError(f"another process changes {self._folder}: wait until it has ended") from None
            yield
        finally:
            os.close(handle)

    @property
    def versions(self) -> list[int]:
        """The versions that are there, the newest first."""
        if not self._folder.is_dir():
            return []
        numbers = [int(path.name) for path in self._folder.iterdir() if re.fullmatch(r"[1-9]\d*", path.name)]
        return sorted(numbers, reverse=True)

    @property
    def pointer(self) -> bytes | None:
        """The model's configuration; None where there is none."""
        path = self._folder / CONFIG_FILE
        return path.read_bytes() if path.is_file() else None

    def config(self, number: int) -> bytes:
        """The configuration that serves a version."""
        return (self._folder / str(number) / CONFIG_FILE).read_bytes()

    def add(self, placement: Placement) -> None:
        """Put a version beside the others; what is served stays as it is.

        Raises:
            UserError: the version is there with another graph, or cannot be written.
        """
        folder = self._folder / str(placement.number)
        with writing(folder):
            self._sweep()
            if folder.is_dir():
                graph = folder / GRAPH_FILE
                if not graph.is_file() or graph.read_bytes() != placement.files[f"{folder.name}/{GRAPH_FILE}"]:
                    raise UserError(f"{graph} is another graph: remove {folder}, or name another repository")
            else:
                warmup = self._folder / "warmup" / folder.name
                shutil.rmtree(warmup, ignore_errors=True)  # of a version that was removed by hand
                self._write(warmup, placement, f"warmup/{folder.name}/")
                self._write(folder, placement, f"{folder.name}/")
            with synced(folder / CONFIG_FILE) as file:  # settings may be others than before
                file.write(placement.text())

    def point(self, config: bytes | None) -> None:
        """Make a version's configuration the model's; None takes the model out of service.

        Raises:
            UserError: it cannot be written.
        """
        path = self._folder / CONFIG_FILE
        if config is None:
            path.unlink(missing_ok=True)
            return
        with synced(path) as file:
            file.write(config)

    def prune(self, keep: int, served: int) -> list[int]:
        """Remove the oldest versions, never the served one, until `keep` are left; returns those that went."""
        others = [number for number in self.versions if number != served]
        for number in others[keep - 1 :]:
            gone = self._folder / f".{number}.gone"  # a kill in the midst must leave no half of a version
            (self._folder / str(number)).replace(gone)
            shutil.rmtree(gone)
            shutil.rmtree(self._folder / "warmup" / str(number), ignore_errors=True)
        return others[keep - 1 :]

    def _write(self, folder: Path, placement: Placement, below: str) -> None:
        with replacing(folder) as aside:
            aside.mkdir()
            for path, content in placement.files.items():
                if path.startswith(below):
                    (aside / path.removeprefix(below)).write_bytes(content)

    def _sweep(self) -> None:
        """Remove what a kill left behind."""
        for path in (*self._folder.glob(".[0-9]*.*"), *self._folder.glob("warmup/.[0-9]*.*")):
            shutil.rmtree(path, ignore_errors=True)
