"""Files that are written whole or not at all, and what their bytes hash to."""

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..ports import UserError


class WriteError(UserError):
    """A file that the machine does not let be written; what was finished before is kept."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say which path cannot be written, and why.

    Raises:
        WriteError: an OSError in the block.
    """
    try:
        yield
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error).splitlines()[0]
        raise WriteError(f"cannot write {path}: {why}; mend that and run it again, or name another place") from None


def aside_of(path: Path) -> Path:
    """Where `synced` writes what is to become `path`."""
    return path.with_name(f".{path.name}.aside")


@contextmanager
def synced(path: Path) -> Iterator[BinaryIO]:
    """A file to write, beside `path`; once it is on the disk it takes `path`'s place, if the block succeeds.

    One process at a time may do so; what a kill leaves behind is replaced by the next.

    Raises:
        WriteError: it cannot be written.
    """
    aside = aside_of(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with aside.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write a file or a directory to; it takes `path`'s place when the block succeeds.

    Where another process has put a directory there meanwhile, that one stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}{''.join(path.suffixes[-1:])}")
    try:
        yield aside
        if aside.is_dir() and path.is_dir():
            return
        aside.replace(path)
    finally:
        if aside.is_dir():
            shutil.rmtree(aside)
        else:
            aside.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Hexadecimal sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_new(texts: Mapping[Path, str]) -> None:
    """Write files that are not there yet: all of them whole, or none.

    Raises:
        UserError: one is there already, perhaps since a moment ago; it stays as it is.
    """
    made: list[Path] = []
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
            try:
                aside.write_text(text, encoding="utf-8")
                path.hardlink_to(aside)  # refuses a file that is there, which a rename would replace
                made.append(path)
            except FileExistsError:
                raise UserError(taken(path)) from None
            finally:
                aside.unlink(missing_ok=True)
    except BaseException:
        for path in made:
            path.unlink()
        raise


def refuse_full(folder: Path) -> None:
    """Let pass a folder that is not there, or is empty.

    Raises:
        UserError: it holds something, or is a file.
    """
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists():
        raise UserError(taken(folder))


def copy_new(source: Path, folder: Path) -> None:
    """Copy a folder to where none is, or an empty one: whole, or not at all.

    Raises:
        UserError: something is there already; it stays as it is.
        WriteError: it cannot be written.
    """
    refuse_full(folder)
    with writing(folder), replacing(folder) as aside:
        shutil.copytree(source, aside)
        if folder.is_dir():
            folder.rmdir()  # refuses what another process has put there meanwhile


def taken(path: Path) -> str:
    """The line for a file that is not overwritten."""
    return f"{path} is there already: nothing is overwritten; choose another name, or delete it"
