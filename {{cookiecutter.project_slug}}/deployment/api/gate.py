"""The one middleware: request id, API key, limits, what an error looks like, the log line, the metrics."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from http import HTTPStatus

import orjson
from loguru import logger
from starlette.datastructures import State
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from {{ cookiecutter.project_slug }}.logging import CONTEXT, event, flush_events

from .admission import Admission
from .exchange import JSON, Exchange, RefusedRequestError, request_id
from .keys import Keys
from .metrics import Metrics

Handler = Callable[[bytes, Exchange], Awaitable[bytes]]
"""Answers a body with a body, and notes rows and version in the exchange."""
FAILED = "the service failed: its log holds the reason under this request id"
GONE = 499
"""The status, in log and metrics alone, of a request whose client left before it was answered."""
FLUSH_SECONDS = 0.05
"""The longest that a JSON line of the access log waits for others."""
BUSY_SECONDS = 1.0
"""Between two log lines on requests that found no place: they come by the thousand and must stay cheap."""
_JSON = (b"content-type", JSON.encode())


class Gate:
    """Every request passes here once; plain ASGI, since each layer costs a request some time.

    Args:
        app: what answers where no handler does.
        handlers: by path, what answers a POST: the body in, the body of the answer out. No framework stands between.
        keys: who may ask.
        admission: the limits of a request for a handler.
        metrics: where it is counted.
        paths: of the app's routes; any other path is counted as `other`.
        state: the application's; `draining` says that it is about to end.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        handlers: Mapping[str, Handler],
        keys: Keys,
        admission: Admission,
        metrics: Metrics,
        paths: Collection[str],
        state: State,
    ) -> None:
        self._app, self._handlers = app, handlers
        self._keys, self._admission, self._metrics = keys, admission, metrics
        self._paths, self._state = frozenset(paths) | handlers.keys(), state
        self._busy, self._busy_since, self._flushing = 0, 0.0, False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        begin = time.perf_counter()
        headers = dict(scope["headers"])
        exchange = Exchange(request_id(headers.get(b"x-request-id")))
        CONTEXT.set({"request_id": exchange.request_id})
        handler = self._handlers.get(scope["path"])
        try:
            self._keys.check(scope["path"], headers)
            if handler is None:
                await self._routed(scope, receive, send, exchange)
            else:
                body = await self._admission.body(scope["method"], headers, receive)
                await self._send(send, exchange, 200, await self._handled(handler, body, exchange))
        except RefusedRequestError as error:
            exchange.reason = error.reason
            await self._send(send, exchange, error.status, orjson.dumps({"detail": str(error)}), error.headers)
        except ClientDisconnect:
            exchange.status = GONE
        except Exception:
            logger.exception("{} {} failed, request {}", scope["method"], _plain(scope["path"]), exchange.request_id)
            if handler is not None:  # Starlette has answered for its routes, and then let the error pass
                await self._send(send, exchange, 500, failure(exchange))
        finally:
            self._account(scope, exchange, time.perf_counter() - begin)

    async def _routed(self, scope: Scope, receive: Receive, send: Send, exchange: Exchange) -> None:
        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                message["headers"] = [*message["headers"], *self._marks(exchange)]
            await send(message)

        scope["exchange"] = exchange
        await self._app(scope, receive, marked)

    async def _handled(self, handler: Handler, body: bytes, exchange: Exchange) -> bytes:
        self._admission.enter()
        try:
            await asyncio.sleep(0)  # inference in the loop never waits: without this a burst would not count itself
            return await handler(body, exchange)
        finally:
            self._admission.leave()

    async def _send(
        self, send: Send, exchange: Exchange, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        exchange.status = status
        head = [_JSON, (b"content-length", b"%d" % len(body)), *self._marks(exchange), *headers]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": body})

    def _marks(self, exchange: Exchange) -> list[tuple[bytes, bytes]]:
        """Headers of every answer."""
        marks = [(b"x-request-id", exchange.request_id.encode())]
        return [*marks, (b"connection", b"close")] if self._state.draining else marks

    def _account(self, scope: Scope, exchange: Exchange, seconds: float) -> None:
        path = scope["path"]
        self._metrics.request(path if path in self._paths else "other", exchange, seconds)
        if exchange.reason == "full":
            self._say_busy()
            return
        method, ms, status = scope["method"], round(seconds * 1e3, 3), exchange.status
        path = _plain(path)
        rows = "" if exchange.rows is None else f" rows={exchange.rows}"
        version = "" if exchange.version is None else f" version={exchange.version}"
        waits = event(
            f"{method} {path} {status} {ms} ms{rows}{version} id={exchange.request_id}",
            logger="access", method=method, path=path, status=status, ms=ms, rows=exchange.rows,
            version=exchange.version, request_id=exchange.request_id,
        )  # fmt: skip
        if waits and not self._flushing:  # one write for many lines
            self._flushing = True
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Write the log lines that wait."""
        self._flushing = False
        flush_events()

    def _say_busy(self) -> None:
        self._busy += 1
        now = time.monotonic()
        if now - self._busy_since >= BUSY_SECONDS:
            logger.bind(logger="access", status=int(HTTPStatus.SERVICE_UNAVAILABLE), requests=self._busy).warning(
                "no place for {} requests: 503", self._busy
            )
            self._busy, self._busy_since = 0, now


def failure(exchange: Exchange) -> bytes:
    """The body of a 500: nothing of the code, and the way to what the log says."""
    return orjson.dumps({"detail": FAILED, "request_id": exchange.request_id})


def _plain(path: str) -> str:
    """A path as one short line."""
    return (path if path.isprintable() else ascii(path))[:200]
