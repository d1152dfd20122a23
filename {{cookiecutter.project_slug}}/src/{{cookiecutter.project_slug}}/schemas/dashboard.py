"""`config/dashboard.yaml`: which service is shown, where the pages are, and their limits."""

from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from .config import LoggingConfig
from .groups import Group


def _address(url: str) -> str:
    """An address that paths can be appended to.

    Raises:
        ValueError: it is none.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{url!r} is no address of a service: write it as http://host:8000")
    if parts.username or parts.password:
        raise ValueError("the address holds a user or a password: keys come from the environment")
    return url.rstrip("/")


def _key(key: Any) -> str:
    """Before any other check, whose message would show the value."""
    text = "" if key is None else str(key).strip()
    if not (text.isascii() and text.isprintable()):
        raise ValueError("the key holds characters that no HTTP header can bear")
    return text


Address = Annotated[str, AfterValidator(_address)]
Key = Annotated[SecretStr, BeforeValidator(_key)]


class DashboardSettings(Group):
    """The pages, and the services that they show."""

    ui: str
    api: Address
    staging_api: Address | None
    api_key: Key
    staging_api_key: Key
    host: str
    port: int = Field(ge=0, le=65535)
    timeout_seconds: float = Field(gt=0)
    refresh_seconds: float = Field(gt=0)
    sweep_points: int = Field(ge=2, le=1000)
    upload_mb: int = Field(ge=1)
    slice_rows: int = Field(ge=1)
    preview_rows: int = Field(ge=1)


class DashboardConfig(Group):
    """`config/dashboard.yaml`."""

    dashboard: DashboardSettings
    logging: LoggingConfig
