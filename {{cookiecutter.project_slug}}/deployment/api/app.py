"""The routes. `uvicorn --factory deployment.api.app:create_app` starts them with the overrides in SERVING_OVERRIDES."""

import os
import shlex
import sys

import orjson
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool

from {{ cookiecutter.project_slug }}.inference.wire import InputError
from {{ cookiecutter.project_slug }}.logging import configure
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.config import ServeConfig, ServingConfig, validate
from {{ cookiecutter.project_slug }}.utils.verb import compose

from . import docs
from .refusals import MalformedError
from .served import Served

OVERRIDES = "SERVING_OVERRIDES"
"""Environment variable with overrides of `config/serve.yaml`, separated as a shell does."""
JSON = "application/json"


def create_app(config: ServingConfig | None = None) -> FastAPI:
    """The application, with its model loaded.

    Args:
        config: None, as uvicorn calls it: `config/serve.yaml` of the working directory and SERVING_OVERRIDES; a mistake
            then ends the process with one line.

    Raises:
        UserError: the model cannot be served.
    """
    if config is None:
        try:
            return create_app(_from_environment())
        except UserError as error:
            sys.exit(f"error: {error}")
    served = Served.load(config)
    contract = served.engine.contract
    app = FastAPI(title=contract.name, version=served.identity["version"] or "0", description=f"Serves {served.title}.")
    app.state.served = served

    @app.post("/predict", openapi_extra=docs.operation(contract, served.bodies))
    async def predict(request: Request) -> Response:
        """Predictions for records or columns."""
        served = _current(request)
        try:
            return Response(await run_in_threadpool(served.answer, await request.body()), media_type=JSON)
        except InputError as error:
            raise HTTPException(400 if isinstance(error, MalformedError) else 422, str(error)) from None

    @app.get("/model")
    async def model(request: Request) -> Response:
        """What is served: reference, version, alias, targets, columns, provenance."""
        return Response(orjson.dumps(_current(request).describe()), media_type=JSON)

    @app.get("/health/live")
    async def live() -> dict[str, str]:
        """200 while the process answers."""
        return {"status": "live"}

    @app.get("/health/ready")
    async def ready(request: Request) -> dict[str, str]:
        """200 when a model is loaded, else 503."""
        _current(request)
        return {"status": "ready"}

    return app


def _current(request: Request) -> Served:
    """The model of this moment; a request asks once and stays with it."""
    served: Served | None = request.app.state.served
    if served is None:
        raise HTTPException(503, "no model is loaded: ask /health/ready until it answers 200")
    return served


def _from_environment() -> ServingConfig:
    try:
        overrides = shlex.split(os.environ.get(OVERRIDES, ""))
    except ValueError as error:
        raise UserError(f"cannot read {OVERRIDES} ({error}): quote it as for a shell") from None
    config = validate(ServeConfig, compose("serve", overrides))
    configure(config.logging)
    return config.serving
