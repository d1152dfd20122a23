"""The verb and the gate against a real tritonserver, and against what is none."""

import json
import re
from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.cli.triton import triton as verb
from {{ cookiecutter.project_slug }}.integrations.triton.repository import ModelRepository
from {{ cookiecutter.project_slug }}.integrations.triton.swap import swap
from {{ cookiecutter.project_slug }}.ports import UnreachableError, UserError
from {{ cookiecutter.project_slug }}.promotion.case import Verdict
from {{ cookiecutter.project_slug }}.promotion.deployable import DeployableGate

from tests.candidates import case, write_candidate
from tests.ports import free_ports
from tests.project import PACKAGE, composed, make_project
from tests.tritons import Triton, placement, running, served, settings

pytestmark = pytest.mark.slow


def test_a_server_that_reads_another_repository(
    triton: Triton, folders: dict[int, Path], house: ModelRepository
) -> None:
    elsewhere = ModelRepository(triton.repository.with_name("elsewhere"), "house")
    with pytest.raises(UserError, match=r": version 1 of house answers, not 2; version 1 serves; does the server read"):
        swap(triton.server(), elsewhere, placement(folders[2], 2), lambda: None)
    assert elsewhere.pointer is None
    assert served(triton, folders[1]) == 1


def sync(folder: Path, address: str, repository: Path) -> None:
    """Version 2, as `make triton` does it."""
    where = [f"repository={repository}", f"server={address}"]
    verb(composed("triton", f"reference={folder}", "version=2", "sync=true", *where))


def test_wrong_servers(
    triton: Triton, folders: dict[int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(make_project(tmp_path))
    nobody = f"127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(
        UnreachableError, match=rf"^no Triton answers at {nobody} \(.+\): start it, or name another server$"
    ):
        sync(folders[2], nobody, tmp_path / "models")
    with pytest.raises(UserError) as caught:
        sync(folders[2], triton.grpc, tmp_path / "models")
    assert str(caught.value).startswith(f"{triton.grpc} answers what no Triton does: ")
    assert str(caught.value).endswith(": is that Triton's HTTP door?")
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "models/house").exists()


def test_a_server_that_asks_for_a_key(
    folders: dict[int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may load models may run code: the control API has a key, and the door for predictions has none."""
    monkeypatch.chdir(make_project(tmp_path))
    with running(tmp_path / "models", "--http-restricted-api=model-repository:control-key=s3cret") as triton:
        for key in ("", "wrong"):
            monkeypatch.setenv("TRITON_CONTROL_KEY", key)
            with pytest.raises(UserError, match=r"This API is restricted, expecting header 'control-key'$"):
                sync(folders[2], triton.http, triton.repository)
        monkeypatch.setenv("TRITON_CONTROL_KEY", "s3cret")
        sync(folders[2], triton.http, triton.repository)
        assert served(triton, folders[1]) == 2


def test_the_verb(
    triton: Triton, folders: dict[int, Path], house: ModelRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(make_project(tmp_path))
    sync(folders[2], triton.http, triton.repository)
    assert served(triton, folders[1]) == 2


def test_the_gate(
    triton: Triton, folders: dict[int, Path], house: ModelRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The candidate is rehearsed beside what serves, which goes on; a candidate with other answers is refused."""
    node = {"_target_": f"{PACKAGE}.integrations.triton.place.TritonPlace", **settings(server=triton.http).model_dump()}
    gate = DeployableGate(60.0, {"triton": node})
    verdict = gate.check(case(write_candidate(tmp_path / "good", bias=1.0)))
    assert verdict.passed
    assert verdict.reason.endswith(f"; triton: {triton.http} answered 5 golden rows")
    assert (house.pointer, triton.server().version("house")) == (house.config(1), 1)
    assert not triton.client().is_model_ready("house~gate-2")
    asked = case(write_candidate(tmp_path / "wrong", bias=1.0))
    shift_a_golden_row(tmp_path / "wrong")
    service_is_well = Verdict(True, "ready", {})
    monkeypatch.setattr(DeployableGate, "_service", lambda *_: service_is_well)
    refused = gate.check(asked)
    assert not refused.passed
    assert re.fullmatch(
        rf"ready; triton: house version 2 at {triton.http}: 1 of 5 golden rows differ; row 0 of price by .+ tolerance",
        refused.reason,
    )
    assert served(triton, folders[1]) == 1


def shift_a_golden_row(folder: Path) -> None:
    golden, contract = (json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("golden", "contract"))
    golden["outputs"]["price_prediction"][0][0] += 1.0
    del contract["digests"]["golden.json"]
    (folder / "golden.json").write_text(json.dumps(golden), encoding="utf-8")
    (folder / "contract.json").write_text(json.dumps(contract), encoding="utf-8")
