"""The routes. `uvicorn --factory deployment.api.app:create_app` starts them with the overrides in SERVING_OVERRIDES."""

import os
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import fastapi
import orjson
from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from {{ cookiecutter.project_slug }}.inference.wire import InputError
from {{ cookiecutter.project_slug }}.logging import configure
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.config import ServeConfig, validate
from {{ cookiecutter.project_slug }}.schemas.serving import ServingConfig
from {{ cookiecutter.project_slug }}.utils.verb import compose

from . import docs
from .admission import Admission
from .dialects import Asked, Dialect, Interpreter
from .dialects.invocations import Invocations
from .dialects.oip import OpenInference
from .dialects.predict import Predict
from .exchange import FAILED, JSON, Answer, Exchange, RefusedRequestError, Request
from .gate import Gate
from .inflating import encoding, inflated
from .keys import Keys
from .metrics import Metrics
from .placement import Pool
from .promotion import Promotions
from .refusals import MalformedError, too_many
from .served import Served
from .watch import Watch

OVERRIDES = "SERVING_OVERRIDES"
"""Environment variable with overrides of `config/serve.yaml`, separated as a shell does."""


class Service(FastAPI):
    """The application; its OpenAPI document is that of the model that is served at the moment.

    Args:
        config: its settings.

    Raises:
        UserError: the model cannot be served.
    """

    def __init__(self, config: ServingConfig) -> None:
        super().__init__(lifespan=_lifespan)
        self.config, self.keys = config, Keys(config.keys)
        admission = Admission(config)
        self.metrics = Metrics(lambda: admission.in_flight)
        self.pool = Pool(config.pool_threads)
        self.state.served, self.state.draining = None, False
        rows = config.max_rows
        self.dialects = dialects = (Predict(rows), OpenInference(rows), Invocations(rows))
        self.watch = Watch(config, lambda found: Served.load(found, config, dialects), self._swap, self.metrics)
        self._documents: tuple[Served | None, dict[str, Any]] | None = None
        own = partial(self.get, tags=docs.TAG)
        own("/model", summary="What is served", responses=docs.errors(docs.REFUSAL, "401", "503"))(model)
        judged = docs.errors(docs.REFUSAL, "401", "404", "503")
        own("/model/promotion", summary="What its gates found", responses=judged)(Promotions(config).answer)
        own("/health/live", summary="Whether the process answers")(live)
        unready = docs.errors(docs.REFUSAL, "503")
        own("/health/ready", summary="Whether the server takes requests", responses=unready)(ready)
        own("/metrics", summary="For Prometheus", response_class=PlainTextResponse)(metrics)
        self.add_exception_handler(RefusedRequestError, _refused)
        self.add_exception_handler(Exception, _failed)
        self.gate = Gate(
            super().__call__,
            dialects=dialects,
            host=self,
            predict=self.predict,
            keys=self.keys,
            admission=admission,
            metrics=self.metrics,
            paths=[getattr(route, "path", "") for route in self.routes],
            state=self.state,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Requests go through the gate, and those in a dialect no further than there."""
        if scope["type"] == "http":
            await self.gate(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def predict(self, dialect: Dialect, request: Request, exchange: Exchange) -> Answer:
        """Predictions, in any dialect; a request asks once for the model, and stays with it."""
        served = self.served
        exchange.version = served.identity["version"]
        interpreter, placement = served.interpreters[dialect], served.placement

        def read() -> Asked:
            return self._allowed(interpreter.read(inflated(request, self.config.max_body_bytes)))

        def work(asked: Asked | None) -> tuple[int, Answer, float]:
            rows = read() if asked is None else asked
            return rows.count, *served.respond(interpreter, rows)

        try:
            small = encoding(request) is None and len(request.body) <= placement.inline_bytes
            asked = read() if small else None
            inline = asked is not None and asked.count <= placement.inline_rows
            count, answer, seconds = work(asked) if inline else await self.pool.run(work, asked)
        except MalformedError as error:
            raise RefusedRequestError(400, str(error), "malformed") from None
        except InputError as error:
            raise RefusedRequestError(422, str(error), "invalid") from None
        exchange.rows = count
        self.metrics.rows.inc(count)
        self.metrics.inference("event loop" if inline else "pool").observe(seconds)
        return answer

    def interpreter(self, dialect: Dialect) -> Interpreter:
        """A dialect, for the model of this moment."""
        return self.served.interpreters[dialect]

    def check_ready(self) -> None:
        """Whether a model is loaded and this server is to stay."""
        if self.state.draining:
            raise RefusedRequestError(503, "this server is about to end: ask another one", "unready")
        _ = self.served  # raises where there is none

    @property
    def served(self) -> Served:
        """The model of this moment.

        Raises:
            RefusedRequestError: none is loaded.
        """
        served: Served | None = self.state.served
        if served is None:
            raise RefusedRequestError(503, "no model is loaded: ask /health/ready until it answers 200", "unready")
        return served

    def _allowed(self, rows: Asked) -> Asked:
        if rows.count > self.config.max_rows:
            raise too_many(rows.count, self.config.max_rows)
        return rows

    def _swap(self, served: Served) -> None:
        """One assignment: a request asks once, and stays with what it got."""
        self.state.served, self._documents = served, None
        self.metrics.model(served.identity)

    def openapi(self) -> dict[str, Any]:
        """The document of this moment."""
        served: Served | None = self.state.served
        known = self._documents  # a swap in the following thread may forget it meanwhile
        if known is None or known[0] is not served:
            self.openapi_schema = None
            self.title = served.contract.name if served else "no model"
            self.version = (served.identity["version"] if served else None) or "0"
            self.description = f"Serves {served.title}." if served else "No model is loaded yet."
            document = docs.document(super().openapi(), served.operations if served else {}, bool(self.keys))
            self._documents = served, document
            return document
        return known[1]


def create_app(config: ServingConfig | None = None) -> Service:
    """The application, with its model loaded.

    Args:
        config: None, as uvicorn calls it: `config/serve.yaml` of the working directory and SERVING_OVERRIDES; a mistake
            then ends the process with one line.

    Raises:
        UserError: the model cannot be served.
    """
    if config is not None:
        return Service(config)
    try:
        return Service(_from_environment())
    except UserError as error:
        sys.exit(f"error: {error}")


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    assert isinstance(app, Service)
    app.watch.begin()
    app.pool.begin()
    yield
    app.watch.end()
    app.pool.close()
    app.gate.flush()


async def model(request: fastapi.Request) -> Response:
    """What is served: reference, version, alias, where inference runs, what is followed, columns, provenance."""
    following = request.app.watch.following
    document = {**request.app.served.describe(), "following": following.describe() if following else None}
    return Response(orjson.dumps(document), media_type=JSON)


async def live() -> dict[str, str]:
    """200 while the process answers."""
    return {"status": "live"}


async def ready(request: fastapi.Request) -> dict[str, str]:
    """200 when a model is loaded and the server is to stay, else 503."""
    request.app.check_ready()
    return {"status": "ready"}


async def metrics(request: fastapi.Request) -> Response:
    """For Prometheus."""
    return Response(request.app.metrics.text(), media_type=CONTENT_TYPE_LATEST)


async def _refused(request: fastapi.Request, error: Exception) -> Response:
    assert isinstance(error, RefusedRequestError)
    request.scope["exchange"].reason = error.reason
    return _as_error(request, error.status, str(error))


async def _failed(request: fastapi.Request, error: Exception) -> Response:
    del error  # the gate logs it
    return _as_error(request, 500, FAILED)


def _as_error(request: fastapi.Request, status: int, detail: str) -> Response:
    status, body = request.app.dialects[0].error(status, detail, request.scope["exchange"].request_id)
    return Response(body, status, media_type=JSON)


def _from_environment() -> ServingConfig:
    try:
        overrides = shlex.split(os.environ.get(OVERRIDES, ""))
    except ValueError as error:
        raise UserError(f"cannot read {OVERRIDES} ({error}): quote it as for a shell") from None
    config = validate(ServeConfig, compose("serve", overrides))
    configure(config.logging)
    return config.serving
