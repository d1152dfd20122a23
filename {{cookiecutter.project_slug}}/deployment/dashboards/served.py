"""What a service says of itself: `/model`, read once and checked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from {{ cookiecutter.project_slug }}.schemas.contract import SCHEMA_VERSION, Contract

TOLD = ("schema_version", "name", "columns", "targets", "missing_tokens", "provenance")
"""The parts of the contract that `/model` has."""


@dataclass(frozen=True)
class Served:
    """One version of a model, as its service describes it."""

    contract: Contract
    """What is told of it; digests, opsets and split are not."""
    reference: str
    version: str | None
    alias: str | None
    run_id: str | None
    registered: str | None
    """ISO 8601, UTC."""
    metrics: Mapping[str, float]
    """On the held-out rows, by name."""
    following: Mapping[str, Any] | None
    """Whether the registry answers, and what was refused; None where nothing is followed."""

    @classmethod
    def read(cls, document: Any) -> "Served":
        """Read the body of `/model`.

        Raises:
            ValueError: it is none, or one of another schema; the message follows the service's name.
        """
        known = document.get("schema_version") if isinstance(document, dict) else None
        if known is not None and known != SCHEMA_VERSION:
            line = f"describes a contract of schema {known}, this dashboard reads {SCHEMA_VERSION}"
            raise ValueError(f"{line}: update the older of the two")
        try:
            contract = Contract.model_validate_json(json.dumps({name: document[name] for name in TOLD}))
            return cls(
                contract=contract,
                reference=document["reference"],
                version=document["version"],
                alias=document["alias"],
                run_id=document["run_id"],
                registered=document["registered"],
                metrics=document["metrics"],
                following=document["following"],
            )
        except (ValidationError, KeyError, TypeError):
            raise ValueError("describes no model as this project's service does: is the address right?") from None

    @property
    def identity(self) -> dict[str, str | None]:
        """As the service marks its answers."""
        return {"name": self.contract.name, "version": self.version, "alias": self.alias}

    @property
    def title(self) -> str:
        """For headings and lines: `prod, version 3`."""
        return title(self.identity)


def title(identity: Mapping[str, str | None]) -> str:
    """Alias and version of a model that answered."""
    version, alias = identity["version"], identity["alias"]
    if version is None:
        return f"{identity['name']}, from a directory"
    return f"{alias}, version {version}" if alias else f"version {version}"
