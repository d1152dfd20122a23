"""`/predict`, the service's own dialect: named records or columns, strict JSON types, and the fields of the rules."""

from collections.abc import Callable
from typing import Any

import orjson

from {{ cookiecutter.project_slug }}.inference.engine import Engine

from .. import docs, ruling
from ..answers import predictions
from ..bodies import Bodies, Rows
from ..exchange import Answer, Request
from . import Identity, Outputs, Route

PATH = "/predict"


class Predict:
    """The dialect.

    Args:
        max_rows: of a request.
    """

    roots = ("predict",)
    find: Callable[[str], Route | None] = staticmethod({PATH: Route(PATH)}.get)

    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows

    def error(self, status: int, detail: str, request_id: str) -> tuple[int, bytes]:
        """`{"detail": "<one line>"}`; a failure has the request's id beside it."""
        document = {"detail": detail}
        if status == 500:
            document["request_id"] = request_id
        return status, orjson.dumps(document)

    def interpreter(self, engine: Engine, identity: Identity) -> "PredictInterpreter":
        """The dialect for a model."""
        return PredictInterpreter(engine, identity, self._max_rows)


class PredictInterpreter:
    """Reads and answers `/predict` for one model.

    Args:
        engine: the model.
        identity: what it is called in every answer.
        max_rows: of a request.
    """

    def __init__(self, engine: Engine, identity: Identity, max_rows: int) -> None:
        self._contract, self._identity = engine.contract, identity
        self._bodies = Bodies(engine.contract, max_rows)

    def read(self, request: Request) -> Rows:
        """Records or columns."""
        return self._bodies.read(request.body)

    def write(self, asked: Rows, outputs: Outputs) -> Answer:
        """Predictions in the form of the request, the fields of the rules, and the model."""
        added = ruling.additions(asked, outputs, self._contract)
        document = {"predictions": predictions(asked, outputs, self._contract, added), "model": self._identity}
        return Answer(orjson.dumps(document))

    def operations(self) -> dict[str, Any]:
        """`/predict` with the model's fields."""
        return {PATH: {"post": docs.operation(self._contract, self._bodies)}}
