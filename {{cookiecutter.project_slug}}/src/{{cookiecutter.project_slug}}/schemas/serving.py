"""The `serving` group: what is served, under which limits, and how the server follows and ends."""

from typing import Any

from pydantic import Field, SecretStr, field_validator

from .groups import Group


class ServingConfig(Group):
    """The HTTP service."""

    reference: str
    host: str
    port: int = Field(ge=0, le=65535)
    threads: int = Field(ge=0)
    tracking_uri: str
    cache_dir: str
    poll_seconds: float = Field(gt=0)
    registry_seconds: int = Field(ge=1)
    api_keys: SecretStr | None
    max_body_bytes: int = Field(ge=1)
    max_rows: int = Field(ge=1)
    body_seconds: float = Field(gt=0)
    max_in_flight: int = Field(ge=1)
    retry_after_seconds: int = Field(ge=1)
    inline_ms: float = Field(ge=0)
    pool_threads: int = Field(ge=1)
    keep_alive_seconds: int = Field(ge=1)
    drain_seconds: float = Field(ge=0)
    finish_seconds: int = Field(ge=1)

    @field_validator("api_keys", mode="before")
    @classmethod
    def _as_text(cls, keys: Any) -> str | None:
        """Before any other check, whose message would show the value; a secret that is empty opens nothing."""
        text = None if keys is None else str(keys)
        if text is not None and not any(key.strip() for key in text.split(",")):
            raise ValueError("holds no key: set SERVING_API_KEYS to keys, or unset it to ask nobody for one")
        return text

    @property
    def keys(self) -> tuple[str, ...]:
        """The API keys; none: whoever reaches the service may ask."""
        text = self.api_keys.get_secret_value() if self.api_keys else ""
        parts = (key.strip() for key in text.split(","))
        return tuple(key for key in parts if key)
