"""The binary tensor data extension: little-endian, row by row; a text is its length in four bytes, then its UTF-8."""

import struct
from typing import Any

import numpy as np

from {{ cookiecutter.project_slug }}.inference.wire import InputError

from ..refusals import MalformedError, shown


class Tail:
    """The bytes after a request's JSON, taken tensor by tensor.

    Args:
        rest: all of them.
    """

    def __init__(self, rest: bytes) -> None:
        self._rest, self._at = rest, 0

    def take(self, size: Any, where: str) -> bytes:
        """The next tensor's bytes.

        Raises:
            MalformedError: the size is none, or there are fewer.
        """
        if type(size) is not int or size < 0:
            raise MalformedError(f"{where}: binary_data_size must be a number of bytes, not {shown(size)}")
        begin, self._at = self._at, self._at + size
        if self._at > len(self._rest):
            left = len(self._rest) - begin
            raise MalformedError(f"{where} should have {shown(size)} bytes after the JSON, {left} are left")
        return self._rest[begin : self._at]

    def check_end(self) -> None:
        """Whether all was taken.

        Raises:
            MalformedError: there is more.
        """
        left = len(self._rest) - self._at
        if left:
            raise MalformedError(f"{left} bytes are left after the last tensor: check the sizes of the inputs")


def floats(chunk: bytes, count: int, where: str) -> np.ndarray:
    """FP64 as float64 `[count]`.

    Raises:
        InputError: there are more or fewer.
    """
    if len(chunk) != 8 * count:
        raise InputError(f"{where} has {len(chunk)} bytes, its shape says {8 * count}")
    return np.frombuffer(chunk, "<f8").astype(np.float64)  # a copy: the chunk may lie at any address


def texts(chunk: bytes, count: int, where: str) -> list[str]:
    """BYTES as text.

    Raises:
        InputError: there are more or fewer, or one is not UTF-8.
    """
    cells = _alike(chunk, count) or _one_by_one(chunk, count, where)
    try:
        known = {cell: cell.decode() for cell in set(cells)}  # a category has few levels
    except UnicodeDecodeError:
        row = next(row for row, cell in enumerate(cells) if not _is_text(cell))
        raise InputError(f"{where} must be UTF-8, value {row} is {shown(cells[row])}") from None
    return [known[cell] for cell in cells]


def _alike(chunk: bytes, count: int) -> list[bytes] | None:
    """The cells where all have one length: struct reads them at once."""
    size, odd = divmod(len(chunk), count) if count else (0, 1)
    if odd or size < 4:
        return None
    pairs = list(struct.iter_unpack(f"<I{size - 4}s", chunk))
    return [cell for _, cell in pairs] if {length for length, _ in pairs} == {size - 4} else None


def _one_by_one(chunk: bytes, count: int, where: str) -> list[bytes]:
    cells: list[bytes] = []
    at = 0
    while at < len(chunk):
        begin = at + 4
        at = begin + int.from_bytes(chunk[at:begin], "little")
        if at > len(chunk) or begin > len(chunk):
            raise InputError(f"{where} ends within value {len(cells)}: send a length of four bytes, then the text")
        cells.append(chunk[begin:at])
    if len(cells) != count:
        raise InputError(f"{where} has {len(cells)} values, its shape says {count}")
    return cells


def _is_text(cell: bytes) -> bool:
    try:
        cell.decode()
    except UnicodeDecodeError:
        return False
    return True
