"""The model that a server answers with: loaded, checked, warm, and described."""

import time
from collections.abc import Sequence
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
from .dialects import Asked, Dialect, Identity, Interpreter
from .exchange import Answer, Request
from .placement import Placement


@dataclass(frozen=True)
class Served:
    """One version of a model. A request is answered by one of these from beginning to end."""

    resolved: Resolved
    engine: Engine
    interpreters: dict[Dialect, Interpreter]
    placement: Placement

    @classmethod
    def load(cls, resolved: Resolved, config: ServingConfig, dialects: Sequence[Dialect]) -> "Served":
        """Read the servable, have it answer its golden rows, and measure where it is to run.

        Args:
            resolved: where the servable is, and what it is called.
            config: threads of an inference, and how long one may hold the event loop.
            dialects: what it is to be asked in; by the first, with a typical row, its speed is measured.

        Raises:
            UserError: it is damaged, answers differently from what was trained, or the rules do not fit it.
        """
        engine = Engine(resolved.folder, config.threads)
        engine.check_golden()
        ruling.check(engine)
        identity = identity_of(resolved, engine.contract)
        interpreters = {dialect: dialect.interpreter(engine, identity) for dialect in dialects}
        served = cls(resolved, engine, interpreters, Placement.unmeasured())
        example = Request(orjson.dumps(docs.example(engine.contract)), {})
        first = interpreters[dialects[0]]
        try:
            placement = Placement.measured(
                lambda: served.respond(first, first.read(example)), len(example.body), config.inline_ms
            )
        except InputError as error:
            placement = Placement.unmeasured()
            logger.warning("{}: typical values are no request ({}): not measured", served.title, error)
        took = f"one row takes {placement.one_row_ms} ms, " if placement.one_row_ms is not None else ""
        logger.info("{}: {}inference runs in the {}", served.title, took, placement.where)
        return cls(resolved, engine, interpreters, placement)

    @property
    def contract(self) -> Contract:
        """What it takes and answers."""
        return self.engine.contract

    @cached_property
    def identity(self) -> Identity:
        """Which model answered: part of every answer."""
        return identity_of(self.resolved, self.contract)

    @property
    def title(self) -> str:
        """The reference, and the version that it led to."""
        version = self.resolved.version
        return f"{self.resolved.reference} (version {version.version})" if version else self.resolved.reference

    @cached_property
    def operations(self) -> docs.Schema:
        """What the OpenAPI document says of the dialects."""
        operations: docs.Schema = {}
        for interpreter in self.interpreters.values():
            operations |= interpreter.operations()
        return operations

    def respond(self, interpreter: Interpreter, asked: Asked) -> tuple[Answer, float]:
        """An answer, and the seconds that the model took for it.

        Raises:
            InputError: a value does not fit the contract, or a row has no finite prediction.
        """
        begin = time.perf_counter()
        outputs = self.engine.run(asked.columns)
        seconds = time.perf_counter() - begin
        return interpreter.write(asked, outputs), seconds

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


def identity_of(resolved: Resolved, contract: Contract) -> Identity:
    """What a model is called in every answer."""
    version = resolved.version
    return {
        "name": version.name if version else contract.name,
        "version": version.version if version else None,
        "alias": resolved.alias,
    }
