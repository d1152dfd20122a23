"""The one middleware: request id, API key, limits, what an error looks like, the log line, the metrics."""

import time
from collections.abc import Collection
from http import HTTPStatus

from loguru import logger
from starlette.datastructures import State
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .admission import Admission
from .exchange import Exchange, RefusedRequestError, request_id, send_json
from .keys import Keys
from .metrics import Metrics

GONE = 499
"""The status, in log and metrics alone, of a request whose client left before it was answered."""
BUSY_SECONDS = 1.0
"""Between two log lines on requests that found no place: they come by the thousand and must stay cheap."""


class Gate:
    """Every request passes here once; plain ASGI, since each layer costs a request some time.

    Args:
        app: what answers.
        keys: who may ask.
        admission: the limits of a request with a body.
        metrics: where it is counted.
        paths: of the routes; any other path is counted as `other`.
        state: the application's; `draining` says that it is about to end.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        keys: Keys,
        admission: Admission,
        metrics: Metrics,
        paths: Collection[str],
        state: State,
    ) -> None:
        self._app, self._keys, self._admission, self._metrics = app, keys, admission, metrics
        self._paths, self._state = frozenset(paths), state
        self._busy, self._busy_since = 0, 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin = time.perf_counter()
        headers = dict(scope["headers"])
        exchange = Exchange(request_id(headers.get(b"x-request-id")))
        scope["exchange"] = exchange
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started, exchange.status = True, message["status"]
                head = [*message["headers"], (b"x-request-id", exchange.request_id.encode())]
                message["headers"] = [*head, (b"connection", b"close")] if self._state.draining else head
            await send(message)

        with logger.contextualize(request_id=exchange.request_id):
            try:
                await self._pass(scope, headers, receive, answer)
            except RefusedRequestError as error:
                exchange.reason = error.reason
                await send_json(answer, error.status, {"detail": str(error)}, error.headers)
            except ClientDisconnect:
                exchange.status = GONE
            except Exception:
                logger.exception("{} {} failed", scope["method"], _plain(scope["path"]))
                if started:
                    raise
                detail = "the service failed: its log holds the reason under this request id"
                await send_json(answer, 500, {"detail": detail, "request_id": exchange.request_id}, [])
            finally:
                self._account(scope, exchange, time.perf_counter() - begin)

    async def _pass(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send) -> None:
        self._keys.check(scope["path"], headers)
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body = await self._admission.body(headers, receive)

        async def whole() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async with self._admission.place():
            await self._app(scope, whole, send)

    def _account(self, scope: Scope, exchange: Exchange, seconds: float) -> None:
        path = scope["path"]
        self._metrics.request(path if path in self._paths else "other", exchange, seconds)
        if exchange.reason == "full":
            self._say_busy()
            return
        method, ms = scope["method"], round(seconds * 1e3, 3)
        path, status = _plain(path), exchange.status
        rows = "" if exchange.rows is None else f" rows={exchange.rows}"
        version = "" if exchange.version is None else f" version={exchange.version}"
        logger.bind(
            logger="access", method=method, path=path, status=status, ms=ms, rows=exchange.rows,
            version=exchange.version,
        ).info(f"{method} {path} {status} {ms} ms{rows}{version} id={exchange.request_id}")  # fmt: skip

    def _say_busy(self) -> None:
        self._busy += 1
        now = time.monotonic()
        if now - self._busy_since >= BUSY_SECONDS:
            logger.bind(logger="access", status=int(HTTPStatus.SERVICE_UNAVAILABLE), requests=self._busy).warning(
                "no place for {} requests: 503", self._busy
            )
            self._busy, self._busy_since = 0, now


def _plain(path: str) -> str:
    """A path as one short line."""
    return (path if path.isprintable() else ascii(path))[:200]
