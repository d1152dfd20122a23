"""The groups of the verbs that move aliases, and of the one that lists them."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from .config import LoggingConfig, MlflowConfig
from .groups import Component, Group

GATES = ("contract", "parity", "quality", "latency", "provenance", "security", "deployable")
"""The gates that every stage names, in the order in which they run: the one that starts servers comes last."""


class StageConfig(Group):
    """What a version must pass before it holds one alias."""

    gates: dict[str, Component | None]

    @field_validator("gates")
    @classmethod
    def _off_is_said(cls, gates: dict[str, Component | None]) -> dict[str, Component | None]:
        """In order, which Hydra's lists of defaults may change."""
        for name in GATES:
            if name not in gates:
                raise ValueError(f"{name} is gone: null switches a gate off, and the report says so")
        return {name: gates[name] for name in dict.fromkeys([*GATES, *gates])}


class SliceConfig(Group):
    """A group of held-out rows that is judged by itself: those with some values, or those within bounds."""

    column: str
    values: tuple[str | bool | int | float | None, ...] | None = None
    """Any of these; null is a missing value."""
    at_least: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _chooses_rows(self) -> Self:
        bounds = self.at_least is not None or self.below is not None
        if bounds is (self.values is not None) or self.values == ():
            raise ValueError("a slice has either values or bounds (at_least, below, or both)")
        return self


class PromotionConfig(Group):
    """Who may move aliases, and what a version must pass."""

    ci: str | int | bool | None
    by_hand: bool
    new_major: bool
    pipeline: str | None
    commit: str | None
    lease_seconds: float = Field(gt=0)
    staging: StageConfig
    prod: StageConfig

    @property
    def in_ci(self) -> bool:
        """Whether a CI system runs this."""
        return str(self.ci).lower() not in ("none", "", "0", "false", "no", "n", "off")


class PromoteConfig(Group):
    """`config/promote.yaml`."""

    version: int | None = Field(ge=1)
    to: Literal["staging", "prod"] | None
    tag: str | None
    promotion: PromotionConfig
    mlflow: MlflowConfig
    logging: LoggingConfig

    @model_validator(mode="after")
    def _says_what_once(self) -> Self:
        if self.tag is not None and not (self.version is None and self.to is None):
            raise ValueError("tag says which version goes where: leave version and to out")
        lacking = [name for name in ("version", "to") if self.tag is None and getattr(self, name) is None]
        if lacking:
            raise ValueError(f"{lacking[0]} is not set: promote takes version=<number> to=<alias>, or tag=<name>")
        return self


class RollbackConfig(Group):
    """`config/rollback.yaml`."""

    version: int | None = Field(ge=1)
    promotion: PromotionConfig
    mlflow: MlflowConfig
    logging: LoggingConfig


class RegisterConfig(Group):
    """`config/register.yaml`."""

    run: str = Field(pattern=r"^[0-9a-f]{32}$")
    promotion: PromotionConfig
    mlflow: MlflowConfig
    logging: LoggingConfig


class RegistryConfig(Group):
    """`config/registry.yaml`."""

    format: Literal["table", "json"]
    mlflow: MlflowConfig
    logging: LoggingConfig
