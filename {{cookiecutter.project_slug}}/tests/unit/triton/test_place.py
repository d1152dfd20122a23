"""Triton among the places that the gate `deployable` asks."""

from pathlib import Path
from typing import Any

import pytest

from {{ cookiecutter.project_slug }}.integrations.triton.place import TritonPlace
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.promotion.case import Verdict
from {{ cookiecutter.project_slug }}.promotion.deployable import DeployableGate
from {{ cookiecutter.project_slug }}.schemas.config import validate
from {{ cookiecutter.project_slug }}.schemas.promotion import GATES, PromoteConfig
from {{ cookiecutter.project_slug }}.utils.instantiate import build

from tests.candidates import case, write_candidate
from tests.project import PACKAGE, composed, make_project
from tests.tritons import settings


def places(monkeypatch: pytest.MonkeyPatch, folder: Path, *overrides: str) -> Any:
    monkeypatch.chdir(make_project(folder))
    config = validate(PromoteConfig, composed("promote", "version=1", "to=prod", *overrides))
    return config.promotion.prod.gates["deployable"]["places"]


def test_the_gates_run_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_project(tmp_path))
    own = f"+promotion.staging.gates.mine._target_={PACKAGE}.promotion.gates.ContractGate"
    promotion = validate(PromoteConfig, composed("promote", "version=1", "to=prod", own)).promotion
    assert tuple(promotion.prod.gates) == GATES
    assert list(promotion.staging.gates) == [*promotion.prod.gates, "mine"]


def test_the_gates_have_triton_among_their_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_SERVER", "127.0.0.1:8000")
    (node,) = places(monkeypatch, tmp_path).values()
    assert node["_target_"] == f"{PACKAGE}.integrations.triton.place.TritonPlace"
    assert (node["server"], node["release"], node["max_batch_size"]) == ("127.0.0.1:8000", "26.08", 1024)


@pytest.mark.parametrize("key", ["a${b}", "${oc.env:HOME}", "???", "0123", "s3cret"])
def test_a_key_reaches_the_place_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("TRITON_CONTROL_KEY", key)
    (node,) = places(monkeypatch, tmp_path).values()
    held = build(node)._settings.control_key
    assert held.get_secret_value() == key
    assert key not in repr(held)


class Service(DeployableGate):
    """The gate with a service that is always well."""

    def _service(self, case: Any) -> Any:
        return Verdict(True, "the service was ready", {"seconds_to_ready": 1.0})


def test_a_server_that_nobody_names_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_SERVER", raising=False)
    node = places(monkeypatch, tmp_path)
    verdict = Service(1.0, node).check(case(write_candidate(tmp_path / "c")))
    assert verdict.passed
    said = "not asked, since TRITON_SERVER names no server"
    assert verdict.reason == f"the service was ready; triton: {said}"
    off = Service(1.0, {"triton": None}).check(case(tmp_path / "c"))
    assert (off.passed, off.reason) == (True, "the service was ready; triton: switched off")


def test_a_server_that_is_not_there_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_SERVER", "127.0.0.1:9")
    verdict = Service(1.0, places(monkeypatch, tmp_path)).check(case(write_candidate(tmp_path / "c")))
    assert not verdict.passed
    assert verdict.figures == {"seconds_to_ready": 1.0}
    assert "; triton: no Triton answers at 127.0.0.1:9 (" in verdict.reason


def test_a_wrong_setting_of_the_place_is_one_line() -> None:
    with pytest.raises(UserError, match=r"^config: servers is not a key that is known here"):
        TritonPlace(**settings().model_dump(), servers="x")
    with pytest.raises(UserError, match=r"^config: max_batch_size: Input should be"):
        TritonPlace(**settings().model_dump() | {"max_batch_size": 0})
