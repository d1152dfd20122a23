"""Limits before a request is worked on: bytes, time to arrive, and how many at a time."""

import asyncio
import types
from collections.abc import Coroutine, Generator, Mapping
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from {{ cookiecutter.project_slug }}.schemas.serving import ServingConfig

from .exchange import RefusedRequestError


class Admission:
    """Counts the requests that are worked on. A body that is still arriving is none of them.

    Args:
        config: the limits.
    """

    def __init__(self, config: ServingConfig) -> None:
        self._bytes, self._seconds = config.max_body_bytes, config.body_seconds
        self._places, self._wait = config.max_in_flight, str(config.retry_after_seconds)
        self.in_flight = 0
        self._arriving = 0
        """Bytes of bodies that are not whole yet: many slow clients together must not fill the memory."""

    async def body(self, method: str, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """The whole body of a request.

        Raises:
            RefusedRequestError: it is no POST, too long or too slow, or there is no place for it anyway.
            ClientDisconnect: the client has gone.
        """
        if method != "POST":
            raise RefusedRequestError(405, f"{method} is not answered here: send a POST", "method", allow="POST")
        self._check_places()
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._bytes:
            raise self._too_long()
        receiving = self._received(receive)
        try:
            waiting = receiving.send(None)  # most bodies are here with their head, and need no clock
        except StopIteration as received:
            body: bytes = received.value
            return body
        try:
            async with asyncio.timeout(self._seconds):
                return await _resumed(receiving, waiting)
        except TimeoutError:
            detail = f"the body did not arrive within {self._seconds:g} s: send it faster, or less of it"
            raise RefusedRequestError(408, detail, "slow", connection="close") from None

    def enter(self) -> None:
        """Take one of the places.

        Raises:
            RefusedRequestError: all are taken.
        """
        self._check_places()
        self.in_flight += 1

    def leave(self) -> None:
        """Give it back."""
        self.in_flight -= 1

    def _check_places(self) -> None:
        if self.in_flight >= self._places:
            raise self._full(f"{self._places} requests are being worked on")

    def _full(self, why: str) -> RefusedRequestError:
        return RefusedRequestError(503, f"{why}: ask again in {self._wait} s", "full", retry_after=self._wait)

    async def _received(self, receive: Receive) -> bytes:
        """Every chunk until the last."""
        chunks, length, more = [], 0, True
        try:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                chunk, more = message.get("body", b""), message.get("more_body", False)
                length += len(chunk)
                self._arriving += len(chunk)
                if length > self._bytes:
                    raise self._too_long(connection="close")  # there may be no end to it
                if self._arriving > self._bytes * self._places:
                    raise self._full("too many bodies are arriving")
                chunks.append(chunk)
            return b"".join(chunks)
        finally:
            self._arriving -= length

    def _too_long(self, **headers: str) -> RefusedRequestError:
        detail = f"the body has more than {self._bytes} bytes: send fewer rows at a time"
        return RefusedRequestError(413, detail, "bytes", **headers)


@types.coroutine
def _resumed(begun: Coroutine[Any, Any, bytes], waiting: Any) -> Generator[Any, Any, bytes]:
    """Go on with a coroutine that was begun by hand and waits for `waiting`."""
    try:
        yield waiting
        body: bytes = yield from begun
        return body
    finally:
        begun.close()
