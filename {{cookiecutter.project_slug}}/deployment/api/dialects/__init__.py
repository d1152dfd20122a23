"""What clients speak. A dialect names its paths and writes its errors; its interpreter reads and answers for one model.

The gate, the limits, the keys, the metrics and the place where inference runs are the same for all of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from {{ cookiecutter.project_slug }}.inference.engine import Engine

from ..exchange import Answer, Request

Identity = Mapping[str, str | None]
"""`name`, `version` and `alias` of a model; no version for a plain directory."""
Outputs = Mapping[str, np.ndarray]
"""What the graph answers: `[N, width]` by name."""


@dataclass(frozen=True)
class Asked:
    """The rows of one request."""

    columns: Mapping[str, Any]
    """Every input of the graph, as the wire encoding takes it."""
    count: int


class Interpreter(Protocol):
    """A dialect, for one model."""

    def read(self, request: Request) -> Any:
        """The rows that a request asks about, an `Asked`.

        Raises:
            MalformedError: the body is not in the dialect's format.
            InputError: it does not fit the contract.
            RefusedRequestError: it is about another model, or in a format that is not read.
        """
        ...

    def write(self, asked: Any, outputs: Outputs) -> Answer:
        """The answer to what `read` returned."""
        ...

    def operations(self) -> dict[str, Any]:
        """What the OpenAPI document says of the dialect's paths, by path and method."""
        ...


class Host(Protocol):
    """What a GET may ask of the service."""

    def interpreter(self, dialect: "Dialect") -> Any:
        """The dialect's interpreter for the model of this moment.

        Raises:
            RefusedRequestError: no model is loaded.
        """
        ...

    def check_ready(self) -> None:
        """Whether a model is loaded and the server is to stay.

        Raises:
            RefusedRequestError: one of the two is not so.
        """
        ...


@dataclass(frozen=True, slots=True)
class Route:
    """What a path means."""

    template: str
    """The path without the names that clients choose: the label of the metrics."""
    get: Callable[[Host, Mapping[str, str]], Answer] | None = None
    """Answers a GET, for the names in the path; None: a POST here asks for predictions."""
    names: Mapping[str, str] = field(default_factory=dict)


class Dialect(Protocol):
    """One way of asking."""

    @property
    def roots(self) -> tuple[str, ...]:
        """First segments of its paths."""
        ...

    def find(self, path: str) -> Route | None:
        """What a path means; None: nothing."""
        ...

    def error(self, status: int, detail: str, request_id: str) -> tuple[int, bytes]:
        """Status and body of an error."""
        ...

    def interpreter(self, engine: Engine, identity: Identity) -> Interpreter:
        """The dialect for a model."""
        ...
