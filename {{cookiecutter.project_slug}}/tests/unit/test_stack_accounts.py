"""What accounts get at the stack's registry, problem by problem; the registry is a stand-in that refuses as MLflow does."""

import json
from pathlib import Path
from typing import Any

import pytest

from {{ cookiecutter.project_slug }}.ports import UserError

from deployment.docker.stack import accounts
from deployment.docker.stack.problems import problems
from tests.project import PACKAGE, ROOT

PASSWORDS = {name: f"{name}-password" for name in ("admin", "ci", "people", "reader")}
TWO = [("first", "model-1"), ("second", "model-2")]


class Registry:
    """MLflow's API as far as accounts need it: one right for an account on a thing, and READ where there is none."""

    def __init__(self) -> None:
        self.accounts = {"admin": PASSWORDS["admin"]}
        self.things: dict[tuple[str, str], str] = {}
        self.rights: dict[tuple[str, str, str], str] = {}
        self.broken: str | None = None

    def make(self, account: str, kind: str, name: str) -> str:
        """Whoever makes a thing may do all with it."""
        key = name if kind == "registered_model" else str(len(self.things) + 10)
        self.things[kind, name] = key
        self.rights[account, kind, key] = "MANAGE"
        return key

    def answer(self, account: str, path: str, fields: dict[str, str]) -> dict[str, Any]:
        """A response's body."""
        absent, verb = {"error_code": accounts.ABSENT}, path.partition("mlflow/")[2]
        right = fields.get("username", ""), fields.get("resource_type", ""), fields.get("resource_id", "")
        match verb:
            case _ if verb == self.broken:
                return {"error_code": "INTERNAL_ERROR", "message": "the database is away"}
            case "users/get":
                return {} if fields["username"] in self.accounts else absent
            case "users/create" | "users/update-password":
                self.accounts[fields["username"]] = fields["password"]
            case "registered-models/get":
                return {} if ("registered_model", fields["name"]) in self.things else absent
            case "registered-models/create":
                self.make(account, "registered_model", fields["name"])
            case "experiments/get-by-name":
                key = self.things.get(("experiment", fields["experiment_name"]))
                return absent if key is None else {"experiment": {"experiment_id": key}}
            case "experiments/create":
                return {"experiment_id": self.make(account, "experiment", fields["name"])}
            case "users/permissions/get":
                return {"permission": self.rights.get(right, "READ")}
            case "users/permissions/revoke":
                return {} if self.rights.pop(right, None) else absent
            case "users/permissions/grant" if right in self.rights:
                return {"error_code": "RESOURCE_ALREADY_EXISTS"}
            case "users/permissions/grant":
                self.rights[right] = fields["permission"]
            case _:
                raise AssertionError(verb)
        return {}


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    made = Registry()

    def ask(door: accounts.Door, method: str, path: str, **fields: str) -> dict[str, Any]:
        if made.accounts.get(door.name) != door._password:
            return {"error_code": "401"}
        return {} if path.endswith("users/current") else made.answer(door.name, path, json.loads(json.dumps(fields)))

    monkeypatch.setattr(accounts.Door, "ask", ask)
    return made


def may(registry: Registry, account: str, experiment: str, model: str) -> tuple[str | None, str | None]:
    """Rights on an experiment and on a model, by name."""
    names = ("experiment", experiment), ("registered_model", model)
    return tuple(registry.rights.get((account, name[0], registry.things[name])) for name in names)  # type: ignore[return-value]


def test_every_problem_is_ci_s(registry: Registry) -> None:
    made = accounts.settle("http://x", PASSWORDS, TWO)
    assert made == [
        "account ci",
        "account people",
        "account reader",
        "registered model model-1, registered model model-1.moves, experiment first, EDIT for people on experiment first",
        "registered model model-2, registered model model-2.moves, experiment second, EDIT for people on experiment second",
    ]
    for problem in TWO:
        assert may(registry, "ci", *problem) == ("MANAGE", "MANAGE")
        assert may(registry, "people", *problem) == ("EDIT", None)
        assert may(registry, "reader", *problem) == (None, None)
        assert registry.rights["ci", "registered_model", f"{problem[1]}.moves"] == "MANAGE"
    before = dict(registry.rights)
    assert accounts.settle("http://x", PASSWORDS, TWO) == []
    assert registry.rights == before


def test_what_people_made_first_becomes_ci_s(registry: Registry) -> None:
    """By a training for a new problem, before `make stack` knew of it."""
    registry.accounts |= PASSWORDS
    registry.make("people", "experiment", "first")
    registry.make("people", "registered_model", "model-1")
    registry.make("people", "registered_model", "model-1.moves")
    (made,) = accounts.settle("http://x", PASSWORDS, TWO[:1])
    assert may(registry, "ci", *TWO[0]) == ("MANAGE", "MANAGE")
    assert may(registry, "people", *TWO[0]) == ("EDIT", "READ")
    assert registry.rights["people", "registered_model", "model-1.moves"] == "READ"
    assert made == (
        "MANAGE for ci on registered model model-1, MANAGE for ci on registered model model-1.moves, "
        "READ for people on registered model model-1, READ for people on registered model model-1.moves, "
        "MANAGE for ci on experiment first, EDIT for people on experiment first"
    )


@pytest.mark.parametrize(
    ("verb", "account"),
    [
        ("users/get", "admin"),
        ("experiments/get-by-name", "ci"),
        ("registered-models/get", "ci"),
        ("users/permissions/revoke", "admin"),
    ],
)
def test_a_refusal_is_one_line(registry: Registry, verb: str, account: str) -> None:
    registry.broken = verb
    with pytest.raises(
        UserError, match=rf"^the registry refuses \d\.0/mlflow/{verb} to {account}: the database is away$"
    ):
        accounts.settle("http://x", PASSWORDS, TWO)


def test_problems_are_those_of_the_configuration() -> None:
    found = problems(ROOT)
    assert found[0] == (PACKAGE, PACKAGE)
    assert ("california_housing", "california_housing") in found
    assert len({*found}) == len(found)


def project(folder: Path, **experiments: str) -> Path:
    (folder / "config/mlflow").mkdir(parents=True)
    (folder / "config/experiment").mkdir()
    (folder / "config/mlflow/default.yaml").write_text(
        "tracking_uri: ${oc.env:NOWHERE}\nexperiment: main\nmodel: ${.experiment}\n"
    )
    for name, text in experiments.items():
        (folder / f"config/experiment/{name}.yaml").write_text(text)
    return folder


def test_each_name_has_its_own_default(tmp_path: Path) -> None:
    texts = {
        "a_none": "seed: 1\n",
        "b_both": "mlflow: {experiment: wine, model: cultivar}\n",
        "c_experiment": "mlflow: {experiment: beer}\n",
        "d_model": "mlflow: {model: quality}\n",
        "e_empty": "mlflow:\n",
        "f_again": "mlflow: {experiment: wine, model: cultivar, tags: {a: b}}\n",
    }
    assert problems(project(tmp_path, **texts)) == [
        ("main", "main"), ("wine", "cultivar"), ("beer", "beer"), ("main", "quality")
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["mlflow: {", "- a\n", "mlflow: 5\n", "mlflow: {model: '${nowhere.name}'}\n"])
def test_a_file_that_does_not_tell_is_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError) as refused:
        problems(project(tmp_path, odd=text))
    assert str(refused.value).startswith("config/experiment/odd.yaml does not say under which names MLflow keeps it: ")
    assert "\n" not in str(refused.value)
