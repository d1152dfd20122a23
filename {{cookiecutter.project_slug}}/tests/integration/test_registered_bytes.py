"""A version's files are those that were registered, whoever may write to the store; on a real store, by every door."""

import shutil
from pathlib import Path

import mlflow
import pytest

from {{ cookiecutter.project_slug }}.cli.evaluate import evaluate
from {{ cookiecutter.project_slug }}.cli.predict import predict
from {{ cookiecutter.project_slug }}.cli.rollback import rollback
from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.contract import CONTRACT_TAG
from {{ cookiecutter.project_slug }}.utils.files import sha256

from tests.candidates import write_candidate
from tests.project import composed, make_project, store
from tests.promotions import HOUSE, aliases, incumbent, register, to
from tests.servers import running

pytestmark = pytest.mark.slow
REFUSED = r"version {} of house is not what was registered: the sha256 of its contract\.json is not that of the tag"


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = make_project(tmp_path)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store())
    return folder


def kept(project: Path, number: int) -> Path:
    """Where the store has a version's files."""
    version = mlflow.MlflowClient(store()).get_model_version("house", str(number))
    return next(project.glob(f"mlruns/*/models/{version.source.removeprefix('models:/')}/artifacts"))


def replace(project: Path, number: int) -> None:
    """Put another servable, sound in itself, where a version's files are."""
    shutil.copytree(write_candidate(project / f"other-{number}", bias=7.0), kept(project, number), dirs_exist_ok=True)


def test_a_version_says_what_its_contract_is(project):
    folder = write_candidate(project / "v1")
    version = register(folder)
    assert version.tags[CONTRACT_TAG] == sha256(folder / "contract.json")
    registry = MlflowRegistry(store(), project / "cache")
    assert registry.find("models:/house@dev").tags[CONTRACT_TAG] == version.tags[CONTRACT_TAG]
    assert Engine(registry.download(version)).digest == version.tags[CONTRACT_TAG]


def test_other_files_are_refused_and_not_kept(project):
    register(write_candidate(project / "v1"))
    replace(project, 1)
    registry = MlflowRegistry(store(), project / "cache")
    for _ in range(2):
        with pytest.raises(UserError, match=REFUSED.format(1)):
            registry.download(registry.find("models:/house/1"))
        assert list((project / "cache/house").iterdir()) == []
    (kept(project, 1) / "contract.json").unlink()
    with pytest.raises(UserError, match=REFUSED.format(1)):
        registry.download(registry.find("models:/house/1"))


def test_a_file_beside_the_contract_is_refused_when_it_is_loaded(project):
    register(write_candidate(project / "v1"))
    with (kept(project, 1) / "model.onnx").open("ab") as graph:
        graph.write(b"\0")
    registry = MlflowRegistry(store(), project / "cache")
    with pytest.raises(UserError, match=r"model\.onnx is not the file that was trained"):
        Engine(registry.download(registry.find("models:/house/1")))


def test_a_version_without_the_tag_is_taken_as_it_is(project):
    """It was registered by another hand, or before there was such a tag."""
    register(write_candidate(project / "v1"))
    mlflow.MlflowClient(store()).delete_model_version_tag("house", "1", CONTRACT_TAG)
    replace(project, 1)
    registry = MlflowRegistry(store(), project / "cache")
    folder = registry.download(registry.find("models:/house/1"))
    assert sha256(folder / "contract.json") == sha256(project / "other-1/contract.json")


def test_no_verb_takes_other_files(project):
    incumbent(project)
    register(write_candidate(project / "v2"))
    replace(project, 2)
    with pytest.raises(UserError, match=REFUSED.format(2)):
        to("staging", 2)
    with pytest.raises(UserError, match=REFUSED.format(2)):
        evaluate(composed("evaluate", "reference=models:/house@dev"))
    (project / "rows.csv").write_text("size\n1\n")
    with pytest.raises(UserError, match=REFUSED.format(2)):
        predict(composed("predict", "reference=models:/house@dev", "input=rows.csv", "output=scored.csv"))
    assert not (project / "scored.csv").exists()
    assert aliases() == {"dev": "2", "staging": "1", "prod": "1"}


def test_nor_does_the_way_back(project):
    incumbent(project)
    register(write_candidate(project / "v2"))
    for alias in ("staging", "prod"):
        to(alias, 2)
    replace(project, 1)
    with pytest.raises(UserError, match=REFUSED.format(1)):
        rollback(composed("rollback", *HOUSE))
    assert aliases() == {"dev": "2", "staging": "2", "prod": "2", "archived": "1"}


def test_the_service_goes_on_with_what_it_has(project):
    incumbent(project)
    register(write_candidate(project / "v2"))
    replace(project, 2)
    reference = "serving.reference=models:/house@prod"
    with running(project, reference, "serving.poll_seconds=0.2", "serving.drain_seconds=0") as server:
        server.listening()
        mlflow.MlflowClient(store()).set_registered_model_alias("house", "prod", "2")
        server.wait_for("version 2 cannot be had: version 2 of house is not what was registered")
        assert server.get("/model")[1]["version"] == "1"
