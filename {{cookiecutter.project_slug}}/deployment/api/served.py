"""The model that a server answers with: loaded, checked, warm, and described."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import orjson
from loguru import logger

from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.inference.references import Resolved
from {{ cookiecutter.project_slug }}.inference.wire import InputError
from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import read_metrics
from {{ cookiecutter.project_slug }}.ports import Version
from {{ cookiecutter.project_slug }}.schemas.contract import Contract
from {{ cookiecutter.project_slug }}.schemas.serving import ServingConfig

from . import docs, ruling
from .answers import predictions
from .bodies import Bodies, Rows
from .placement import Placement


@dataclass(frozen=True)
class Served:
    """One version of a model. A request is answered by one of these from beginning to end."""

    resolved: Resolved
    engine: Engine
    bodies: Bodies
    placement: Placement

    @classmethod
    def load(cls, resolved: Resolved, config: ServingConfig) -> "Served":
        """Read the servable, have it answer its golden rows, and measure where it is to run.

        Raises:
            UserError: it is damaged, answers differently from what was trained, or the rules do not fit it.
        """
        engine = Engine(resolved.folder, config.threads)
        engine.check_golden()
        ruling.check(engine)
        served = cls(resolved, engine, Bodies(engine.contract), Placement.unmeasured())
        example = orjson.dumps(docs.example(engine.contract))
        try:
            placement = Placement.measured(lambda: served.answer(example), len(example), config.inline_ms)
        except InputError as error:
            placement = Placement.unmeasured()
            logger.warning("{}: typical values are no request ({}): not measured", served.title, error)
        took = f"one row takes {placement.one_row_ms} ms, " if placement.one_row_ms is not None else ""
        logger.info("{}: {}inference runs in the {}", served.title, took, placement.where)
        return cls(resolved, engine, served.bodies, placement)

    @property
    def contract(self) -> Contract:
        """What it takes and answers."""
        return self.engine.contract

    @cached_property
    def identity(self) -> dict[str, str | None]:
        """Which model answered: part of every answer."""
        version = self.resolved.version
        return {
            "name": version.name if version else self.engine.contract.name,
            "version": version.version if version else None,
            "alias": self.resolved.alias,
        }

    @property
    def title(self) -> str:
        """The reference, and the version that it led to."""
        version = self.resolved.version
        return f"{self.resolved.reference} (version {version.version})" if version else self.resolved.reference

    @cached_property
    def operation(self) -> docs.Schema:
        """What the OpenAPI document says of `/predict`."""
        return docs.operation(self.contract, self.bodies)

    def answer(self, raw: bytes) -> bytes:
        """The body of `/predict`'s answer for the body of a request.

        Raises:
            InputError: the request does not fit the contract.
        """
        return self.respond(self.bodies.read(raw))[0]

    def respond(self, rows: Rows) -> tuple[bytes, float]:
        """The body of an answer, and the seconds that the model took for it.

        Raises:
            InputError: a value does not fit the contract, or a row has no finite prediction.
        """
        begin = time.perf_counter()
        outputs = self.engine.run(rows.columns)
        seconds = time.perf_counter() - begin
        added = ruling.additions(rows, outputs, self.contract)
        document = {"predictions": predictions(rows, outputs, self.contract, added), "model": self.identity}
        return orjson.dumps(document), seconds

    def describe(self) -> dict[str, Any]:
        """What `/model` answers."""
        contract = self.contract.model_dump(mode="json")
        version = self.resolved.version
        return {
            "reference": self.resolved.reference,
            **self.identity,
            "run_id": version.run_id if version else None,
            "registered": _registered(version),
            "metrics": read_metrics(version.tags) if version else {},
            "inference": self.placement.describe(),
            **{key: contract[key] for key in ("schema_version", "targets", "columns", "missing_tokens", "provenance")},
        }


def _registered(version: Version | None) -> str | None:
    """When the version was made, ISO 8601 in UTC; None where the registry did not say."""
    if version is None or not version.created:
        return None
    return datetime.fromtimestamp(version.created, UTC).isoformat(timespec="seconds")
