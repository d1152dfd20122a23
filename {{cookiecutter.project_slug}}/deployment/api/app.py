"""The routes. `uvicorn --factory deployment.api.app:create_app` starts them with the overrides in SERVING_OVERRIDES."""

import os
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.types import Receive, Scope, Send

from {{ cookiecutter.project_slug }}.inference.wire import InputError
from {{ cookiecutter.project_slug }}.logging import configure
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.config import ServeConfig, validate
from {{ cookiecutter.project_slug }}.schemas.serving import ServingConfig
from {{ cookiecutter.project_slug }}.utils.verb import compose

from . import docs
from .admission import Admission
from .bodies import Rows
from .exchange import JSON, Exchange, RefusedRequestError
from .gate import Gate, failure
from .keys import Keys
from .metrics import Metrics
from .placement import Pool
from .promotion import Promotions
from .refusals import MalformedError
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
        self.watch = Watch(config, self._swap, self.metrics)
        self._documents: tuple[Served | None, dict[str, Any]] | None = None
        self.get("/model")(model)
        self.get("/model/promotion")(Promotions(config).answer)
        self.get("/health/live")(live)
        self.get("/health/ready")(ready)
        self.get("/metrics")(metrics)
        self.add_exception_handler(RefusedRequestError, _refused)
        self.add_exception_handler(Exception, _failed)
        self.gate = Gate(
            super().__call__,
            handlers={"/predict": self.predict},
            keys=self.keys,
            admission=admission,
            metrics=self.metrics,
            paths=[getattr(route, "path", "") for route in self.routes],
            state=self.state,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Requests go through the gate, and `/predict` no further than there."""
        if scope["type"] == "http":
            await self.gate(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def predict(self, body: bytes, exchange: Exchange) -> bytes:
        """Predictions for records or columns; a request asks once for the model, and stays with it."""
        served = self.served
        exchange.version = served.identity["version"]
        try:
            if len(body) <= served.placement.inline_bytes:
                rows = self._allowed(served.bodies.read(body))
            else:
                rows = self._allowed(await self.pool.run(served.bodies.read, body))
            inline = rows.count <= served.placement.inline_rows
            answer, seconds = served.respond(rows) if inline else await self.pool.run(served.respond, rows)
        except MalformedError as error:
            raise RefusedRequestError(400, str(error), "malformed") from None
        except InputError as error:
            raise RefusedRequestError(422, str(error), "invalid") from None
        exchange.rows = rows.count
        self.metrics.rows.inc(rows.count)
        self.metrics.inference("event loop" if inline else "pool").observe(seconds)
        return answer

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

    def _allowed(self, rows: Rows) -> Rows:
        if rows.count > self.config.max_rows:
            detail = f"the request has {rows.count} rows, {self.config.max_rows} are allowed: send fewer at a time"
            raise RefusedRequestError(413, detail, "rows")
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
            document = docs.document(super().openapi(), served.operation if served else None, bool(self.keys))
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
    yield
    app.watch.end()
    app.pool.close()
    app.gate.flush()


async def model(request: Request) -> Response:
    """What is served: reference, version, alias, where inference runs, what is followed, columns, provenance."""
    following = request.app.watch.following
    document = {**request.app.served.describe(), "following": following.describe() if following else None}
    return Response(orjson.dumps(document), media_type=JSON)


async def live() -> dict[str, str]:
    """200 while the process answers."""
    return {"status": "live"}


async def ready(request: Request) -> dict[str, str]:
    """200 when a model is loaded and the server is to stay, else 503."""
    if request.app.state.draining:
        raise RefusedRequestError(503, "this server is about to end: ask another one", "unready")
    assert request.app.served
    return {"status": "ready"}


async def metrics(request: Request) -> Response:
    """For Prometheus."""
    return Response(request.app.metrics.text(), media_type=CONTENT_TYPE_LATEST)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedRequestError)
    request.scope["exchange"].reason = error.reason
    return Response(orjson.dumps({"detail": str(error)}), error.status, media_type=JSON)


async def _failed(request: Request, error: Exception) -> Response:
    del error  # the gate logs it
    return Response(failure(request.scope["exchange"]), 500, media_type=JSON)


def _from_environment() -> ServingConfig:
    try:
        overrides = shlex.split(os.environ.get(OVERRIDES, ""))
    except ValueError as error:
        raise UserError(f"cannot read {OVERRIDES} ({error}): quote it as for a shell") from None
    config = validate(ServeConfig, compose("serve", overrides))
    configure(config.logging)
    return config.serving
