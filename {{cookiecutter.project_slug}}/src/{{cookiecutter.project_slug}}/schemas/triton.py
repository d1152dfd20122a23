"""The `triton` group: what a model repository says of a model, and the server that reads it."""

import re
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from .config import LoggingConfig, MlflowConfig
from .groups import Group

ADDRESS = re.compile(r"(https?://)?([^/:@\s]+|\[[0-9A-Fa-f:]+\]):(?P<port>[1-9]\d{0,4})")

FOLLOWED = re.compile(r"models:/[^/@]+@[^/@]+")


class TritonSettings(Group):
    """`config/triton/default.yaml`: what the verb and the gate share."""

    server: str | None
    control_key: SecretStr | None
    release: str
    device: Literal["cpu", "gpu"]
    instances: int = Field(ge=1)
    max_batch_size: int = Field(ge=1)
    queue_delay_us: int = Field(ge=0)
    seconds: float = Field(gt=0)

    @field_validator("server")
    @classmethod
    def _is_an_address(cls, server: str | None) -> str | None:
        """An empty environment variable names no server."""
        found = ADDRESS.fullmatch(server) if server else None
        if server and (found is None or int(found["port"]) > 65535):
            shown = re.sub(r".*@", "***@", server)  # no password in a message
            raise ValueError(f"give <host>:<port>, or https://<host>:<port>, not {shown!r}")
        return server or None

    @field_validator("control_key", mode="before")
    @classmethod
    def _as_secret(cls, key: Any) -> Any:
        """Before any other check, whose message would show the value; OmegaConf reads digits as a number."""
        if isinstance(key, SecretStr) or key in (None, ""):
            return key or None
        if not str(key).isprintable():
            raise ValueError("it holds a line break or another control character, which no header can carry")
        return str(key)

    @field_validator("release", mode="before")
    @classmethod
    def _as_text(cls, release: Any) -> Any:
        """YAML reads 26.10 as a number."""
        return f"{release:.2f}" if isinstance(release, float) else release


class TritonConfig(TritonSettings):
    """`config/triton.yaml`."""

    reference: str
    version: int | None = Field(ge=1)
    repository: str
    sync: bool
    poll_seconds: float | None = Field(gt=0)
    keep: int = Field(ge=1)
    mlflow: MlflowConfig
    logging: LoggingConfig

    @model_validator(mode="after")
    def _syncs_with_a_server(self) -> Self:
        if self.sync and self.server is None:
            raise ValueError("sync=true needs a server: add server=<host>:<port>, or set TRITON_SERVER")
        return self

    @model_validator(mode="after")
    def _follows_an_alias(self) -> Self:
        if self.poll_seconds is not None and not (self.sync and FOLLOWED.fullmatch(self.reference)):
            raise ValueError("poll_seconds follows an alias: it needs sync=true and reference=models:/<name>@<alias>")
        return self
