"""Bodies that were compressed, within the limit of those that were not."""

import zlib
from dataclasses import replace

from .exchange import RefusedRequestError, Request
from .refusals import MalformedError

WINDOWS = {b"gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}
"""The encodings that are read, with what tells zlib of their headers."""


def encoding(request: Request) -> bytes | None:
    """How a body is compressed; None: not at all.

    Raises:
        RefusedRequestError: in a way that is not read here.
    """
    given = request.headers.get(b"content-encoding")
    if given is None or (name := given.strip().lower()) == b"identity":
        return None
    if name not in WINDOWS:
        detail = "this Content-Encoding is not read here: send gzip, deflate, or the plain body"
        raise RefusedRequestError(415, detail, "media", accept_encoding="gzip, deflate")
    return name


def inflated(request: Request, limit: int) -> Request:
    """The request with its body as it was; no more than the limit is ever unpacked.

    Raises:
        RefusedRequestError: it is longer than the limit.
        MalformedError: it is not compressed like that, or not whole.
    """
    name = encoding(request)
    if name is None:
        return request
    stream = zlib.decompressobj(WINDOWS[name])
    try:
        plain = stream.decompress(request.body, limit + 1)
    except zlib.error:
        raise MalformedError(f"the body is not {name.decode()}, as its Content-Encoding says") from None
    if len(plain) > limit:
        raise RefusedRequestError(
            413, f"the body inflates to more than {limit} bytes: send fewer rows at a time", "bytes"
        )
    if not stream.eof:
        raise MalformedError(f"the body's {name.decode()} ends before its end")
    if stream.unused_data:
        raise MalformedError(f"the body goes on after the end of its {name.decode()}")
    return replace(request, body=plain)
