"""One request and its answer: what the log line and the metrics say of it, and how one is turned down."""

import re
import uuid
from dataclasses import dataclass
from typing import Literal

import orjson
from starlette.types import Scope, Send

Reason = Literal["key", "bytes", "rows", "slow", "full", "malformed", "invalid", "unready"]
"""Why a request was turned down: the label of the metric."""
JSON = "application/json"
_SANE = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}")


@dataclass(slots=True)
class Exchange:
    """What is known of a request while it passes; lies in the scope under `exchange`."""

    request_id: str
    status: int = 500
    rows: int | None = None
    version: str | None = None
    reason: Reason | None = None


class RefusedRequestError(Exception):
    """A request that is turned down: status, one line, and why."""

    def __init__(self, status: int, detail: str, reason: Reason, **headers: str) -> None:
        super().__init__(detail)
        self.status, self.reason = status, reason
        self.headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]


def exchange_of(scope: Scope) -> Exchange:
    """The exchange of a request that came through the gate."""
    exchange: Exchange = scope["exchange"]
    return exchange


def request_id(given: bytes | None) -> str:
    """The client's X-Request-ID where it is short and plain, or else a new one."""
    if given is not None and _SANE.fullmatch(given):
        return given.decode("ascii")
    return uuid.uuid4().hex


async def send_json(send: Send, status: int, document: object, headers: list[tuple[bytes, bytes]]) -> None:
    """Answer with one line of JSON."""
    body = orjson.dumps(document)
    head = [(b"content-type", JSON.encode()), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
