"""API keys: compared in constant time, and never shown."""

import hmac
from collections.abc import Mapping

from .exchange import RefusedRequestError

OPEN = frozenset({"/health/live", "/health/ready", "/metrics", "/ping", "/v2/health/live", "/v2/health/ready"})
"""What probes and Prometheus read without a key."""
DETAIL = "this service asks for an API key: send it as X-API-Key, or as Authorization: Bearer <key>"
SCHEMES = {
    "X-API-Key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "Bearer": {"type": "http", "scheme": "bearer"},
}
"""OpenAPI's words for the two headers."""


class Keys:
    """The keys that open the service; none: it is open.

    Args:
        keys: as text.
    """

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._keys = [key.encode() for key in keys]

    def __bool__(self) -> bool:
        return bool(self._keys)

    def check(self, path: str, headers: Mapping[bytes, bytes]) -> None:
        """Let a request pass.

        Raises:
            RefusedRequestError: it holds no key that is known.
        """
        if self._keys and path not in OPEN and not self._known(_given(headers)):
            raise RefusedRequestError(401, DETAIL, "key", www_authenticate="Bearer")

    def _known(self, given: bytes) -> bool:
        """All keys are compared, so that the time tells nothing of which."""
        return bool(sum(hmac.compare_digest(given, key) for key in self._keys))


def _given(headers: Mapping[bytes, bytes]) -> bytes:
    key = headers.get(b"x-api-key")
    if key is not None:
        return key.strip()
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else b""
