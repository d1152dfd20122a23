"""`register`: a run that another account logged becomes a version, or is refused in one line that says why."""

import json
from pathlib import Path

import mlflow
import pytest

from {{ cookiecutter.project_slug }}.cli.register import register
from {{ cookiecutter.project_slug }}.cli.train import train
from {{ cookiecutter.project_slug }}.integrations import mlflow_tracking
from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.config import MlflowConfig

from tests.candidates import CONFIG, PROVENANCE, write_candidate
from tests.project import FAST, composed, make_project, store
from tests.registries import KilledError
from tests.repositories import first_commit, git

pytestmark = pytest.mark.slow
CI = ["promotion.ci=woodpecker", "mlflow.model=house"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A repository with one commit, in the working directory."""
    folder = make_project(tmp_path_factory.mktemp("project"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", store())
        commit_all(folder)
        yield folder


def commit_all(folder) -> None:
    (folder / ".gitignore").write_text("*\n!config\n!config/**\n!uv.lock\n")
    (folder / "uv.lock").write_text("version = 1\n")
    first_commit(folder)


def log(folder, *, status: str = "FINISHED", keep: bool = True, tags=None, config: str = CONFIG) -> str:
    """A run as `train` leaves it where it may not register; returns its identifier."""
    contract = json.loads((folder / "contract.json").read_text())
    made_from = contract["provenance"]
    where = MlflowConfig(tracking_uri=store(), experiment="house", model="house", register=False, tags={})
    with mlflow_tracking.run(where, "hand-made") as run:
        run.metrics({"test/rmse": 5.1234567, "val/rmse": 4.0})
        run.tags({"git.commit": made_from["commit"], "data.sha256": made_from["data"]})
        run.text(config.replace("tags: {}", "tags: {ticket: A-17, leak: '${oc.env:PATH}'}"), "config.yaml")
        if keep:
            run.servable(folder)
        run.tags(tags or {})
    mlflow.MlflowClient(store()).set_terminated(run.run_id, status)
    return run.run_id


def candidate(folder, **others):
    provenance = {"commit": git(Path(), "rev-parse", "HEAD")} | others.pop("provenance", {})
    return write_candidate(folder, provenance=provenance, **others)


def asked(run: str, *overrides: str):
    return register(composed("register", f"run={run}", *CI, *overrides))


def versions() -> list[str]:
    return [str(found.version) for found in mlflow.MlflowClient(store()).search_model_versions("name='house'")]


def test_a_logged_run_becomes_a_version_under_dev(project, monkeypatch):
    run = log(candidate(project / "v1"))
    version = asked(run, "promotion.pipeline=https://ci.example.org/7")
    assert (version.name, version.version, version.run_id) == ("house", "1", run)
    found = mlflow.MlflowClient(store()).get_model_version("house", "1")
    history = json.loads(found.tags.pop("history"))
    assert {key: history[0][key] for key in ("alias", "by", "pipeline")} == {
        "alias": "dev", "by": "CI (woodpecker)", "pipeline": "https://ci.example.org/7",
    }  # fmt: skip
    assert len(found.tags.pop("contract.sha256")) == 64
    assert found.tags == {
        "ticket": "A-17", "leak": "${oc.env:PATH}", "experiment": "house", "target": "price", "kind": "regression", "test/rmse": "5.12346",
        "git.commit": git(Path(), "rev-parse", "HEAD"), "data.sha256": PROVENANCE["data"],
    }  # fmt: skip
    assert MlflowRegistry(store(), project / "cache").download(version).is_dir()
    again = asked(run)
    assert (again.version, versions()) == ("1", ["1"])
    second = log(candidate(project / "v2"))

    def killed(*arguments, **named):
        raise KilledError

    client = mlflow.MlflowClient(store())
    for where, method in (
        (MlflowRegistry, "describe"), (MlflowRegistry, "set_alias"),
        (mlflow.MlflowClient, "set_registered_model_alias"),  # the history tells of the move already
    ):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setattr(where, method, killed)
            with pytest.raises(KilledError):
                asked(second)
        assert (versions()[0], client.get_registered_model("house").aliases) == ("2", {"dev": 1})
    assert asked(second).version == "2"
    assert MlflowRegistry(store()).find("models:/house@dev").version == "2"
    assert "Model card: " in client.get_model_version("house", "2").description
    assert len(json.loads(client.get_model_version("house", "2").tags["history"])) == 1
    asked(run)
    assert MlflowRegistry(store()).find("models:/house@dev").version == "2"


def test_what_is_wrong_with_a_run_is_one_line(project):
    clean, before = candidate(project / "clean"), versions()
    damaged = candidate(project / "damaged", contract={"digests": {"golden.json": "0" * 64}})
    elsewhere = candidate(project / "elsewhere", provenance={"commit": "c" * 40})
    good = log(clean)
    servable = mlflow.MlflowClient(store()).get_run(good).data.tags["servable"]
    cases = {
        "f" * 32: f"there is no run {'f' * 32} at .*",
        log(clean, status="FAILED"): "it is FAILED, not FINISHED: train again",
        log(clean, keep=False): "it kept no servable; a training with one has the tag `servable`",
        log(clean, keep=False, tags={"servable": servable}): f"its tag `servable` names that of run {good}",
        log(damaged): "golden.json is not the file that was trained",
        log(candidate(project / "flat", name="flat")): "it is of the model 'flat': add mlflow.model=flat",
        log(candidate(project / "dirty", provenance={"dirty": True})): "trained with uncommitted changes",
        log(candidate(project / "open", provenance={"lock": None})): "trained without uv.lock",
        log(clean, tags={"data.sha256": "0" * 64}): "commit and data in its tags are not those of its servable",
        log(clean, config="seed: 0"): "^run .* is not registered: config: data is not set",
        log(elsewhere): f"commit {'c' * 40} is not in this repository: push the branch it was trained on, "
        "and start the pipeline there",
    }
    for run, message in cases.items():
        with pytest.raises(UserError, match=message) as caught:
            asked(run)
        assert len(str(caught.value).splitlines()) == 1
    mlflow.MlflowClient(store()).delete_run(good)
    with pytest.raises(UserError, match=f"^run {good} is not registered: it is deleted, not FINISHED: train again$"):
        asked(good)
    assert versions() == before


def test_only_ci_registers_a_run(project):
    with pytest.raises(UserError, match=r"^only CI registers a run; on this .* add promotion\.by_hand=true$"):
        asked("f" * 32, "promotion.ci=null")
    with pytest.raises(UserError, match="config: run: String should match pattern"):
        asked("latest")


def test_its_version_has_the_tags_that_train_writes(project):
    trained = train(composed("train", *FAST, "model=linear", "+mlflow.tags={ticket: A-17}"))
    client = mlflow.MlflowClient(store())
    wanted = client.get_model_version(trained.name, trained.version)
    client.delete_model_version(trained.name, trained.version)
    version = register(composed("register", f"run={trained.run_id}", "promotion.ci=true"))
    found = client.get_model_version(version.name, version.version)
    assert (found.source, found.run_id) == (wanted.source, wanted.run_id)
    assert {key: value for key, value in found.tags.items() if key != "history"} == {
        key: value for key, value in wanted.tags.items() if key != "history"
    }
