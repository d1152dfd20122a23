"""Who may do what at the stack's registry: CI writes the registered model, people log runs, and everybody reads."""

import base64
import json
from collections.abc import Iterable
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

from {{ cookiecutter.project_slug }}.ports import RECORD, UserError

OPENER = build_opener(ProxyHandler({}))  # to this machine, whatever proxy the environment names
ABSENT = "RESOURCE_DOES_NOT_EXIST"


class Door:
    """The registry's API, for one account."""

    def __init__(self, url: str, name: str, password: str) -> None:
        self._url, self.name, self._password = url, name, password

    def ask(self, method: str, path: str, **fields: str) -> dict[str, Any]:
        """What it answers; where it refuses, MLflow's error code is under `error_code`.

        Raises:
            UserError: it does not answer.
        """
        said = base64.b64encode(f"{self.name}:{self._password}".encode()).decode()
        url, body = f"{self._url}/api/{path}", None
        if method == "GET":
            url += "?" + urlencode(fields)
        else:
            body = json.dumps(fields).encode()
        headers = {"Authorization": f"Basic {said}", "Content-Type": "application/json"}
        try:
            with OPENER.open(Request(url, body, headers, method=method), timeout=60) as answer:
                text = answer.read().decode()
        except HTTPError as error:
            text = error.read().decode()
            if not text.startswith("{"):
                return {"error_code": str(error.code)}
        except (URLError, TimeoutError) as error:
            raise UserError(
                f"the registry at {self._url} does not answer ({error}): docker compose logs mlflow"
            ) from None
        return dict(json.loads(text)) if text.startswith("{") else {}

    def found(self, method: str, path: str, **fields: str) -> dict[str, Any] | None:
        """The same for what may be absent, which is None then, and must not be refused otherwise.

        Raises:
            UserError: it is.
        """
        answer = self.ask(method, path, **fields)
        if answer.get("error_code") == ABSENT:
            return None
        if "error_code" in answer:
            raise UserError(
                f"the registry refuses {path} to {self.name}: {answer.get('message', answer['error_code'])}"
            )
        return answer

    def done(self, method: str, path: str, **fields: str) -> dict[str, Any]:
        """The same for what must not be absent either."""
        answer = self.found(method, path, **fields)
        if answer is None:
            raise UserError(f"the registry does not know what {path} by {self.name} is about: {fields}")
        return answer

    @property
    def opens(self) -> bool:
        """Whether the password is the account's."""
        return "error_code" not in self.ask("GET", "2.0/mlflow/users/current")


def settle(url: str, passwords: dict[str, str], problems: Iterable[tuple[str, str]]) -> list[str]:
    """Make the accounts and what they share; what is there already stays. Returns what was changed, a line for each.

    Args:
        url: of the registry.
        passwords: by account: `admin`, who is there from the first start, `ci`, `people` and `reader`.
        problems: of each the experiment, to which people log, and the registered model, to which CI alone registers.

    Raises:
        UserError: the registry refuses, or admin's password is another one.
    """
    admin = Door(url, "admin", passwords["admin"])
    if not admin.opens:
        raise UserError(
            "the registry does not take STACK_ADMIN_PASSWORD of .env: its volume was made with another .env; put that "
            "back, or delete the volume as docs/stack.md says"
        )
    changed = []
    for name in ("ci", "people", "reader"):
        if Door(url, name, passwords[name]).opens:
            continue
        if admin.found("GET", "2.0/mlflow/users/get", username=name) is None:
            admin.done("POST", "2.0/mlflow/users/create", username=name, password=passwords[name])
            changed.append(f"account {name}")
        else:
            admin.done("PATCH", "2.0/mlflow/users/update-password", username=name, password=passwords[name])
            changed.append(f"password of {name}")
    ci = Door(url, "ci", passwords["ci"])
    changed += [", ".join(made) for problem in problems if (made := _share(admin, ci, *problem))]
    return changed


def _share(admin: Door, ci: Door, experiment: str, model: str) -> list[str]:
    """Have both be CI's, even where somebody was there first; returns what was changed."""
    changed, models = [], (model, f"{model}{RECORD}")
    for name in models:  # who made the record of moves could write it
        if ci.found("GET", "2.0/mlflow/registered-models/get", name=name) is None:
            ci.done("POST", "2.0/mlflow/registered-models/create", name=name)
            changed.append(f"registered model {name}")
    found = ci.found("GET", "2.0/mlflow/experiments/get-by-name", experiment_name=experiment)
    if found is None:
        number = ci.done("POST", "2.0/mlflow/experiments/create", name=experiment)["experiment_id"]
        changed.append(f"experiment {experiment}")
    else:
        number = found["experiment"]["experiment_id"]
    for name, permission, kind, key, shown in (
        *(("ci", "MANAGE", "registered_model", one, one) for one in models),
        *(("people", "READ", "registered_model", one, one) for one in models),
        ("ci", "MANAGE", "experiment", number, experiment),
        ("people", "EDIT", "experiment", number, experiment),
    ):
        right = {"username": name, "resource_type": kind, "resource_id": key}
        if admin.done("GET", "3.0/mlflow/users/permissions/get", **right)["permission"] != permission:
            admin.found("POST", "3.0/mlflow/users/permissions/revoke", **right)  # a second one would be refused
            admin.done("POST", "3.0/mlflow/users/permissions/grant", **right, permission=permission)
            changed.append(f"{permission} for {name} on {kind.replace('_', ' ')} {shown}")
    return changed


def serves(url: str, password: str, model: str, alias: str) -> bool:
    """Whether the registry has a version under the alias."""
    reader = Door(url, "reader", password)
    return "error_code" not in reader.ask("GET", "2.0/mlflow/registered-models/alias", name=model, alias=alias)
