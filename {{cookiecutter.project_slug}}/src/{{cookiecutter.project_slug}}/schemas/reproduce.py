"""`config/reproduce.yaml`."""

from typing import Literal, Self

from pydantic import Field, model_validator

from .config import LoggingConfig, MlflowConfig
from .groups import Component, Group


class ReproduceConfig(Group):
    """Which version is refitted, with what, and how much may differ."""

    version: int | None = Field(ge=1)
    reference: str | None
    environment: Literal["auto", "current"]
    data_store: str | None
    stores: dict[str, Component | None]
    tolerance: float = Field(ge=0)
    format: Literal["table", "json"]
    mlflow: MlflowConfig
    logging: LoggingConfig

    @model_validator(mode="after")
    def _names_one_version(self) -> Self:
        if (self.version is None) == (self.reference is None):
            raise ValueError("name one version: version=3, or reference=models:/<name>@<alias>")
        return self

    @property
    def named(self) -> str:
        """The version as a reference."""
        return self.reference or f"models:/{self.mlflow.model}/{self.version}"
