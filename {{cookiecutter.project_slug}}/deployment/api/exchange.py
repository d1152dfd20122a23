"""One request and its answer: what the log line and the metrics say of it, and how one is turned down."""

import itertools
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Reason = Literal[
    "key", "bytes", "rows", "slow", "full", "malformed", "invalid", "method", "unready", "unknown", "media"
]
"""Why a request was turned down: the label of the metric."""
JSON = "application/json"
FAILED = "the service failed: its log holds the reason under this request id"
"""All that a 500 says."""
OTHER = "other"
"""The label of paths that are none of this service's: clients can make up any number of them."""
Headers = Sequence[tuple[bytes, bytes]]
AS_JSON: Headers = ((b"content-type", JSON.encode()),)
_PROCESS, _numbers = uuid.uuid4().hex[:16], itertools.count(1)
_SANE = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}")


@dataclass(slots=True)
class Exchange:
    """What is known of a request while it passes."""

    request_id: str
    route: str = OTHER
    """The path without the names in it: the label of the metrics."""
    status: int = 500
    rows: int | None = None
    version: str | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A POST whose body is whole."""

    body: bytes
    headers: Mapping[bytes, bytes]
    names: Mapping[str, str] = field(default_factory=dict)
    """What its path names: `model`, and `version` where it is given."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The body of an answer, and the headers that say how to read it."""

    body: bytes
    headers: Headers = AS_JSON


class RefusedRequestError(Exception):
    """A request that is turned down: status, one line, and why."""

    def __init__(self, status: int, detail: str, reason: Reason, **headers: str) -> None:
        super().__init__(detail)
        self.status, self.reason = status, reason
        self.headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]


def request_id(given: bytes | None) -> str:
    """The client's X-Request-ID where it is short and plain, or else a new one."""
    if given is not None and _SANE.fullmatch(given):
        return given.decode("ascii")
    return f"{_PROCESS}-{next(_numbers)}"
