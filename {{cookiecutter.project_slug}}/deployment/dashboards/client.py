"""The client of a service. Whatever goes wrong is one line that says what to do."""

import json
import logging
import time
from collections.abc import Mapping
from typing import Any

import httpx
from pydantic import SecretStr

from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.contract import Contract

from .answers import Answer
from .served import Served

TRIES = 3
"""Of a request for which the service has no place at the moment."""
LONGEST_WAIT = 5.0
"""Seconds between two of them, whatever the service says."""
REFUSALS = (400, 404, 413, 422)

logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each request is the service's to write


class ApiError(UserError):
    """The service gives no answer; the message is one line."""


class RefusedError(ApiError):
    """The request is at fault: the service's own words.

    Args:
        status: 413 for too much at once, 404 for what is not there, otherwise 400 or 422.
        detail: one line that names column, row and value.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Api:
    """One service. It is shared by all users of the dashboard, and remembers nothing of them.

    Args:
        url: its address.
        key: its API key; empty: none is sent.
        seconds: that an answer may take.
        setting: of `config/dashboard.yaml` that names the service; for messages.
    """

    def __init__(self, url: str, key: SecretStr, seconds: float, setting: str = "api") -> None:
        self.url, self._seconds, self._setting = url, seconds, setting
        self._has_key = bool(key.get_secret_value())
        headers = {"X-API-Key": key.get_secret_value()} if self._has_key else {}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=seconds)

    def served(self) -> Served:
        """What is served at the moment.

        Raises:
            ApiError: there is no answer, or no model.
        """
        try:
            return Served.read(self._ask("GET", "/model"))
        except RefusedError as error:
            line = f"the service at {self.url} answers {error.status} to /model"
            raise ApiError(f"{line}: is dashboard.{self._setting} its address?") from None
        except ValueError as error:
            raise ApiError(f"the service at {self.url} {error}") from None

    def promotion(self) -> dict[str, Any] | str:
        """What the gates found about the served version, or the reason why that is not known."""
        try:
            report: dict[str, Any] = self._ask("GET", "/model/promotion")
        except ApiError as error:
            return str(error)
        return report

    def predict(self, columns: Mapping[str, list[Any]], contract: Contract) -> Answer:
        """Predictions for columns of cells as JSON has them.

        Args:
            columns: a list per column.
            contract: of the model that is to answer; another one may have come in its place.

        Raises:
            RefusedError: the service refuses the request.
            ApiError: there is no answer, or not one of that model.
        """
        document = self._ask("POST", "/predict", json.dumps({"columns": columns}, allow_nan=False))
        try:
            answer = Answer(document["predictions"], document["model"])
            fits = answer.fits(contract)
        except (AttributeError, KeyError, TypeError):
            fits = False
        if not fits:
            line = f"the service at {self.url} predicts something else than it did"
            raise ApiError(f"{line}: look at the form again, and ask once more")
        return answer

    def _ask(self, method: str, path: str, body: str | None = None) -> Any:
        for tries_left in reversed(range(TRIES)):
            response = self._send(method, path, body)
            wait = response.headers.get("retry-after", "")
            if response.status_code != httpx.codes.SERVICE_UNAVAILABLE or not wait.isdigit() or not tries_left:
                return self._read(response)
            time.sleep(min(float(wait), LONGEST_WAIT))
        raise AssertionError("the last try returns or raises")

    def _send(self, method: str, path: str, body: str | None) -> httpx.Response:
        try:
            try:
                return self._client.request(method, path, content=body)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                # a connection that was kept from before a restart; predictions change nothing and may be asked again
                return self._client.request(method, path, content=body)
        except httpx.TimeoutException:
            line = f"the service at {self.url} did not answer within {self._seconds:g} s"
            raise ApiError(f"{line}: ask again, or raise dashboard.timeout_seconds") from None
        except httpx.HTTPError:
            line = f"the service at {self.url} cannot be reached"
            raise ApiError(f"{line}: is it running, and dashboard.{self._setting} its address?") from None

    def _read(self, response: httpx.Response) -> Any:
        status = response.status_code
        if status == httpx.codes.UNAUTHORIZED:
            variable = f"DASHBOARD_{self._setting.upper()}_KEY"
            what = f"refuses the key in {variable}" if self._has_key else "asks for an API key"
            raise ApiError(f"the service at {self.url} {what}: set {variable} to one that it knows, and start anew")
        try:
            document = response.json()
        except ValueError:
            line = f"the service at {self.url} answers {response.request.url.path} with {status} and no JSON"
            raise ApiError(f"{line}: is dashboard.{self._setting} its address?") from None
        if status == httpx.codes.OK:
            return document
        detail = document.get("detail") if isinstance(document, dict) else None
        if status in REFUSALS and isinstance(detail, str):
            raise RefusedError(status, detail)
        raise ApiError(f"the service at {self.url} answers {status}: {detail or 'no reason given'}")
