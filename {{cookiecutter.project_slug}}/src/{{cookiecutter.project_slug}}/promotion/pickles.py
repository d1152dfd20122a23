"""Finds pickles, which run code when they are loaded: by a file's name and by its content."""

import bz2
import gzip
import io
import lzma
import pickletools
import zipfile
import zlib
from collections.abc import Callable

SUFFIXES = (".pkl", ".pickle", ".dill", ".joblib", ".sav", ".pt", ".pth", ".ckpt", ".npy", ".npz")
"""Of formats that are pickles, or hold some."""
HEAD = 1 << 16
"""Bytes of a compressed file that are looked at."""
DEPTH, UNPACKED = 3, 1 << 28
"""Archives within each other, and bytes of all members of one, that are looked at; what holds more is refused."""
COMPRESSED: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": lambda content: gzip.GzipFile(fileobj=io.BytesIO(content)).read(HEAD),
    b"BZh": lambda content: bz2.BZ2Decompressor().decompress(content, HEAD),
    b"\xfd7zXZ": lambda content: lzma.LZMADecompressor().decompress(content, HEAD),
    b"\x78": lambda content: zlib.decompressobj().decompress(content, HEAD),
}
"""What joblib may wrap a pickle in, by its first bytes."""


class OpaqueError(ValueError):
    """An archive that holds too much to look at all of it."""


def is_pickle(name: str, content: bytes, depth: int = 0) -> bool:
    """Whether a file is a pickle, or an archive or compressed file or array that holds one.

    Args:
        name: of the file.
        content: all of its bytes.
        depth: how many archives and compressed files it is within.

    Raises:
        OpaqueError: it cannot be looked into, since too much is packed in it.
    """
    if depth > DEPTH:
        raise OpaqueError(f"more than {DEPTH} archives within each other")
    if name.lower().endswith(SUFFIXES):
        return True
    if content[:1] == b"\x80" and content[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):  # protocols 2 and later
        return True
    if content.startswith(b"\x93NUMPY"):  # an array of objects is a pickle behind a head of one line
        return b"O'" in content[:HEAD].split(b"\n", 1)[0]
    if content.startswith(b"PK\x03\x04"):
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                members = archive.infolist()
                if sum(member.file_size for member in members) > UNPACKED:  # none gives more than it declares
                    raise OpaqueError(f"more than {UNPACKED >> 20} MiB when it is unpacked")
                return any(is_pickle(member.filename, archive.read(member), depth + 1) for member in members)
        except (zipfile.BadZipFile, RuntimeError, zlib.error):  # damaged, or with a password
            return False
    for magic, decompress in COMPRESSED.items():
        if content.startswith(magic):
            try:
                packed = decompress(content)
            except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error):  # it is something else
                return False
            return is_pickle("", packed, depth + 1)
    return _reads_as_one(content)


def _reads_as_one(content: bytes) -> bool:
    """Protocols 0 and 1 have no mark: whether it can be read from its first operation to the one that ends it.

    What is none is noticed at the first byte that is no operation, or argument of one.
    """
    try:
        for _ in pickletools.genops(content):
            pass
    except (ValueError, IndexError, OverflowError):
        return False
    return True
