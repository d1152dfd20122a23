"""The model that a server answers with: loaded, checked, and described."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.inference.references import Resolved, resolve
from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry
from {{ cookiecutter.project_slug }}.schemas.config import ServingConfig

from .answers import predictions
from .bodies import Bodies


@dataclass(frozen=True)
class Served:
    """One version of a model. A request is answered by one of these from beginning to end."""

    resolved: Resolved
    engine: Engine
    bodies: Bodies

    @classmethod
    def load(cls, config: ServingConfig) -> "Served":
        """Find the servable, load it, and have it answer its golden rows.

        Raises:
            UserError: there is none, it is damaged, or it answers differently from what was trained.
        """
        resolved = resolve(config.reference, lambda: MlflowRegistry(config.tracking_uri, Path(config.cache_dir)))
        engine = Engine(resolved.folder, config.threads)
        engine.check_golden()
        return cls(resolved, engine, Bodies(engine.contract))

    @property
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

    def answer(self, raw: bytes) -> bytes:
        """The body of `/predict`'s answer for the body of a request; blocks while the model runs.

        Raises:
            InputError: the request does not fit the contract.
        """
        rows = self.bodies.read(raw)
        outputs = self.engine.run(rows.columns)
        return orjson.dumps({"predictions": predictions(rows, outputs, self.engine.contract), "model": self.identity})

    def describe(self) -> dict[str, Any]:
        """What `/model` answers."""
        contract = self.engine.contract.model_dump(mode="json")
        version = self.resolved.version
        return {
            "reference": self.resolved.reference,
            **self.identity,
            "run_id": version.run_id if version else None,
            **{key: contract[key] for key in ("schema_version", "targets", "columns", "provenance")},
        }
