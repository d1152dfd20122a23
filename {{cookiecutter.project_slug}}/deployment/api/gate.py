"""The one middleware: request id, API key, limits, what an error looks like, the log line, the metrics."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from http import HTTPStatus

from loguru import logger
from starlette.datastructures import State
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from {{ cookiecutter.project_slug }}.logging import CONTEXT, event, flush_events

from .admission import Admission
from .dialects import Dialect, Host, Route
from .exchange import AS_JSON, FAILED, OTHER, Answer, Exchange, Headers, RefusedRequestError, Request, request_id
from .keys import Keys
from .metrics import Metrics

Handler = Callable[[Dialect, Request, Exchange], Awaitable[Answer]]
"""Answers a request of a dialect, and notes rows and version in the exchange."""
GONE = 499
"""The status, in log and metrics alone, of a request whose client left before it was answered."""
FLUSH_SECONDS = 0.05
"""The longest that a JSON line of the access log waits for others."""
BUSY_SECONDS = 1.0
"""Between two log lines on requests that found no place: they come by the thousand and must stay cheap."""


class Gate:
    """Every request passes here once; plain ASGI, since each layer costs a request some time.

    Args:
        app: what answers where no dialect does.
        dialects: what is spoken. No framework stands between a request in one of them and its answer.
        host: what their GETs ask of the service.
        predict: answers their requests for predictions.
        keys: who may ask.
        admission: the limits of a request for predictions.
        metrics: where it is counted.
        paths: of the app's routes; any other path is counted as `other`.
        state: the application's; `draining` says that it is about to end.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        dialects: Sequence[Dialect],
        host: Host,
        predict: Handler,
        keys: Keys,
        admission: Admission,
        metrics: Metrics,
        paths: Collection[str],
        state: State,
    ) -> None:
        self._app, self._host, self._predict = app, host, predict
        self._dialects = {root: dialect for dialect in dialects for root in dialect.roots}
        self._plain = dialects[0]
        self._keys, self._admission, self._metrics = keys, admission, metrics
        self._paths, self._state = frozenset(paths), state
        self._busy, self._busy_since, self._flushing = 0, 0.0, False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        begin = time.perf_counter()
        headers = dict(scope["headers"])
        exchange = Exchange(request_id(headers.get(b"x-request-id")))
        CONTEXT.set({"request_id": exchange.request_id})
        path = scope["path"]
        dialect = self._dialects.get(path[1:].partition("/")[0])
        try:
            if dialect is None:
                exchange.route = path if path in self._paths else OTHER
                self._keys.check(path, headers)
                await self._routed(scope, receive, send, exchange)
            else:
                route = dialect.find(path)
                exchange.route = OTHER if route is None else route.template
                self._keys.check(path, headers)
                answer = await self._spoken(dialect, route, scope, headers, receive, exchange)
                await self._send(send, exchange, 200, answer)
        except RefusedRequestError as error:
            exchange.reason = error.reason
            await self._fail(send, exchange, dialect, error.status, str(error), error.headers)
        except ClientDisconnect:
            exchange.status = GONE
        except Exception:
            logger.exception("{} {} failed, request {}", scope["method"], _plain(path), exchange.request_id)
            if dialect is not None:  # Starlette has answered for its routes, and then let the error pass
                await self._fail(send, exchange, dialect, 500, FAILED)
        finally:
            self._account(scope, exchange, time.perf_counter() - begin)

    async def _spoken(
        self,
        dialect: Dialect,
        route: Route | None,
        scope: Scope,
        headers: Mapping[bytes, bytes],
        receive: Receive,
        exchange: Exchange,
    ) -> Answer:
        """The answer to a request in a dialect."""
        if route is None:
            raise RefusedRequestError(404, "there is nothing at this path: /docs lists what is", "unknown")
        method = scope["method"]
        if route.get is not None:
            if method != "GET":
                raise RefusedRequestError(405, f"{method} is not answered here: send a GET", "method", allow="GET")
            return route.get(self._host, route.names)
        request = Request(await self._admission.body(method, headers, receive), headers, route.names)
        self._admission.enter()
        try:
            await asyncio.sleep(0)  # inference in the loop never waits: without this a burst would not count itself
            return await self._predict(dialect, request, exchange)
        finally:
            self._admission.leave()

    async def _fail(
        self, send: Send, exchange: Exchange, dialect: Dialect | None, status: int, detail: str, headers: Headers = ()
    ) -> None:
        status, body = (dialect or self._plain).error(status, detail, exchange.request_id)
        await self._send(send, exchange, status, Answer(body, [*AS_JSON, *headers]))

    async def _routed(self, scope: Scope, receive: Receive, send: Send, exchange: Exchange) -> None:
        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                message["headers"] = [*message["headers"], *self._marks(exchange)]
            await send(message)

        scope["exchange"] = exchange
        await self._app(scope, receive, marked)

    async def _send(self, send: Send, exchange: Exchange, status: int, answer: Answer) -> None:
        exchange.status = status
        head = [*answer.headers, (b"content-length", b"%d" % len(answer.body)), *self._marks(exchange)]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": answer.body})

    def _marks(self, exchange: Exchange) -> list[tuple[bytes, bytes]]:
        """Headers of every answer."""
        marks = [(b"x-request-id", exchange.request_id.encode())]
        if exchange.version is not None:
            marks.append((b"x-model-version", exchange.version.encode()))
        return [*marks, (b"connection", b"close")] if self._state.draining else marks

    def _account(self, scope: Scope, exchange: Exchange, seconds: float) -> None:
        self._metrics.request(exchange, seconds)
        if exchange.reason == "full":
            self._say_busy()
            return
        method, ms, status = scope["method"], round(seconds * 1e3, 3), exchange.status
        path = _plain(scope["path"])
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


def _plain(path: str) -> str:
    """A path as one short line."""
    return (path if path.isprintable() else ascii(path))[:200]
