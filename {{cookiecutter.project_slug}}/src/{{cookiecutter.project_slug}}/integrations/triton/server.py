"""A running Triton over its HTTP door: what it serves, load, unload, ask."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ...ports import UnreachableError, UserError

if TYPE_CHECKING:
    from ...schemas.triton import TritonSettings
    from .placement import Placement

KEY_HEADER = "control-key"
"""As in the server's option --http-restricted-api=model-repository:control-key=<key>."""
TYPES = {"f": "FP64", "O": "BYTES"}
"""Triton's name for what the wire encoding makes, by numpy's kind."""


class Server:
    """A server in explicit model control mode. Every method may raise UnreachableError.

    Args:
        address: host:port of its HTTP door, https:// before it for TLS.
        seconds: until an answer must be there.
        key: what its model-repository API asks for; None: nothing.
    """

    def __init__(self, address: str, seconds: float, key: str | None = None) -> None:
        from tritonclient.http import InferenceServerClient

        self.address, self._headers = address, {KEY_HEADER: key} if key else None
        scheme, _, place = address.rpartition("://")
        with self._answering():
            self._client = InferenceServerClient(
                place, ssl=scheme == "https", connection_timeout=seconds, network_timeout=seconds
            )

    @classmethod
    def of(cls, settings: "TritonSettings") -> Self:
        """The server that the settings name."""
        assert settings.server is not None
        key = settings.control_key
        return cls(settings.server, settings.seconds, key.get_secret_value() if key else None)

    def check(self) -> None:
        """Be sure that a Triton answers there, and lets itself be controlled.

        Raises:
            UserError: something else answers, or the key is not that of the server.
        """
        try:
            with self._answering():
                about = self._client.get_server_metadata()
        except UnreachableError:
            raise
        except UserError as error:
            raise UserError(f"{error}: is that Triton's HTTP door?") from None
        if not isinstance(about, dict) or "model_repository" not in about.get("extensions", ()):
            raise UserError(f"{self.address} is no Triton, or one without its model repository: name another server")
        self._index()

    def version(self, name: str) -> int | None:
        """The version that a client gets who names none; None where the model is not served."""
        ready = [int(m["version"]) for m in self._index() if m["name"] == name and m.get("state") == "READY"]
        return max(ready, default=None)

    def load(self, name: str) -> None:
        """Load what the repository says of a model; the versions before go on until the new one is ready.

        Raises:
            UserError: it does not load. What was served still is.
        """
        with self._answering():
            self._client.load_model(name, headers=self._headers)

    def load_aside(self, name: str, placement: "Placement") -> None:
        """Load a version under a name of its own, with its files in the request: the repository is not touched.

        Raises:
            UserError: it does not load.
        """
        from google.protobuf import json_format

        config = json_format.MessageToJson(placement.config(name), preserving_proto_field_name=True)
        files = {f"file:{path}": content for path, content in placement.files.items()}
        with self._answering():
            self._client.load_model(name, headers=self._headers, config=config, files=files)

    def unload(self, name: str) -> None:
        """Unload a model; one that is not loaded is none the less."""
        with self._answering():
            self._client.unload_model(name, headers=self._headers)

    def run(self, name: str, number: int, feeds: Mapping[str, np.ndarray], rows: int) -> dict[str, np.ndarray]:
        """Answers `[N, width]` by output name, asked as a client does who names no version.

        Args:
            name: of the model.
            number: the version that must answer.
            feeds: encoded columns `[N, width]` by name.
            rows: of one request.

        Raises:
            UserError: the server refuses, or another version answers.
        """
        parts = []
        total = len(next(iter(feeds.values())))
        for start in range(0, total, rows):
            with self._answering():
                result = self._client.infer(name, [_input(n, a[start : start + rows]) for n, a in feeds.items()])
            answer = result.get_response()
            if answer["model_version"] != str(number):
                raise UserError(f"{self.address}: version {answer['model_version']} of {name} answers, not {number}")
            parts.append({output["name"]: _decoded(result.as_numpy(output["name"])) for output in answer["outputs"]})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _index(self) -> list[dict[str, str]]:
        with self._answering():
            index: list[dict[str, str]] = self._client.get_model_repository_index(headers=self._headers)
        return index

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """What goes wrong on the way, in one line.

        Raises:
            UnreachableError: nothing answers, or not in time.
            UserError: the server refuses.
        """
        from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError
        from tritonclient.utils import InferenceServerException

        try:
            yield
        except InferenceServerException as error:
            raise UserError(f"{self.address}: {_first_line(error.message())}") from None
        except (OSError, HTTPConnectionClosed) as error:
            raise UnreachableError(
                f"no Triton answers at {self.address} ({_first_line(str(error))}): start it, or name another server"
            ) from None
        except (HTTPParseError, ValueError) as error:
            raise UserError(f"{self.address} answers what no Triton does: {_first_line(str(error))}") from None


def _input(name: str, array: np.ndarray) -> Any:
    from tritonclient.http import InferInput

    tensor = InferInput(name, list(array.shape), TYPES[array.dtype.kind])
    tensor.set_data_from_numpy(array)
    return tensor


def _decoded(array: np.ndarray) -> np.ndarray:
    """Texts, which Triton sends as bytes."""
    if array.dtype != object:
        return array
    texts = np.empty(array.shape, object)
    texts.ravel()[:] = [text.decode() for text in array.ravel()]
    return texts


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[0]
