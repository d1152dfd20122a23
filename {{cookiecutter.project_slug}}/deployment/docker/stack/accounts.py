"""Who may do what at the stack's registry: CI writes the registered model, people log runs, and everybody reads."""

import base64
import json
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

from {{ cookiecutter.project_slug }}.ports import UserError

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

    def done(self, method: str, path: str, **fields: str) -> dict[str, Any]:
        """The same for what must not be refused."""
        answer = self.ask(method, path, **fields)
        if "error_code" in answer:
            raise UserError(
                f"the registry refuses {path} to {self.name}: {answer.get('message', answer['error_code'])}"
            )
        return answer

    @property
    def opens(self) -> bool:
        """Whether the password is the account's."""
        return "error_code" not in self.ask("GET", "2.0/mlflow/users/current")


def settle(url: str, passwords: dict[str, str], experiment: str, model: str) -> list[str]:
    """Make the accounts and what they share; what is there already stays. Returns what was changed.

    Args:
        url: of the registry.
        passwords: by account: `admin`, who is there from the first start, `ci`, `people` and `reader`.
        experiment: CI makes it, and people log runs to it.
        model: CI makes it, so that nobody else can register under its name.

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
        if admin.ask("GET", "2.0/mlflow/users/get", username=name).get("error_code") == ABSENT:
            admin.done("POST", "2.0/mlflow/users/create", username=name, password=passwords[name])
            changed.append(f"account {name}")
        else:
            admin.done("PATCH", "2.0/mlflow/users/update-password", username=name, password=passwords[name])
            changed.append(f"password of {name}")
    ci = Door(url, "ci", passwords["ci"])
    found = ci.ask("GET", "2.0/mlflow/experiments/get-by-name", experiment_name=experiment)
    if found.get("error_code") == ABSENT:
        number = ci.done("POST", "2.0/mlflow/experiments/create", name=experiment)["experiment_id"]
        changed.append(f"experiment {experiment}")
    else:
        number = found["experiment"]["experiment_id"]
    grant = {"username": "people", "resource_type": "experiment", "resource_id": number}
    if admin.done("GET", "3.0/mlflow/users/permissions/get", **grant)["permission"] != "EDIT":
        admin.done("POST", "3.0/mlflow/users/permissions/grant", **grant, permission="EDIT")
        changed.append(f"people may log to {experiment}")
    if ci.ask("GET", "2.0/mlflow/registered-models/get", name=model).get("error_code") == ABSENT:
        ci.done("POST", "2.0/mlflow/registered-models/create", name=model)
        changed.append(f"registered model {model}")
    return changed


def serves(url: str, password: str, model: str, alias: str) -> bool:
    """Whether the registry has a version under the alias."""
    reader = Door(url, "reader", password)
    return "error_code" not in reader.ask("GET", "2.0/mlflow/registered-models/alias", name=model, alias=alias)
