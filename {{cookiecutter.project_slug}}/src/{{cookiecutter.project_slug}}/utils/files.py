"""Files that are written whole or not at all, and what their bytes hash to."""

import hashlib
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..ports import UserError


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


def taken(path: Path) -> str:
    """The line for a file that is not overwritten."""
    return f"{path} is there already: nothing is overwritten; choose another name, or delete it"
