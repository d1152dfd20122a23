"""The gates of `promote` on a real store: each refuses alone, and what they are asked about may be broken or gone."""

import json
import pickle
import sqlite3

import mlflow
import pytest

from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.promotion import GATES

from tests.candidates import write_candidate
from tests.project import make_project, store
from tests.promotions import HOUSE, aliases, incumbent, register, to

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = make_project(tmp_path)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store())
    return folder


def broken_serving(project) -> None:
    """A settings file of the service that stops it from starting, whatever it serves."""
    path = project / "config/serving/default.yaml"
    path.write_text(path.read_text().replace("port: 8000", "prot: 8000"))


@pytest.mark.parametrize(
    ("gate", "changes", "message"),
    [
        ("contract", {"key": False}, "column 'id' is gone"),
        ("parity", {"answers_off_by": 0.5}, "200 of 200 held-out rows differ"),
        ("quality", {"bias": 3.0}, "worse than the incumbent"),
        ("latency", {"turns": 20_000}, "costs too much: one row "),
        ("provenance", {"provenance": {"dirty": True}}, "trained with uncommitted changes"),
        ("security", {"extra": {"weights.bin": pickle.dumps({"a": 1})}}, "weights.bin is a pickle, which runs code"),
        ("deployable", {}, "the service did not start: error: "),
    ],
)
def test_only_this_gate_refuses(project, capsys, gate, changes, message):
    incumbent(project)
    register(write_candidate(project / "v2", **changes))
    if gate == "deployable":
        broken_serving(project)
    before = aliases()
    with pytest.raises(UserError, match=f"^house version 2 does not become staging: {gate}: .*{message}") as caught:
        to("staging", 2)
    assert len(str(caught.value).splitlines()) == 1
    assert aliases() == before
    printed = capsys.readouterr().out.splitlines()[-len(GATES) :]
    assert {line.split()[1]: line.split()[0] for line in printed} == {
        name: "refused" if name == gate else "passed" for name in GATES
    }
    version = mlflow.MlflowClient(store()).get_model_version("house", "2")
    assert version.tags["promotion.staging"] == "refused: promotion/2/staging.md"
    document = json.loads(mlflow.artifacts.load_text(f"runs:/{version.run_id}/promotion/2/staging.json"))
    assert [entry["gate"] for entry in document["gates"] if entry["verdict"] == "refused"] == [gate]
    page = mlflow.artifacts.load_text(f"runs:/{version.run_id}/promotion/2/model_card.md")
    assert page.startswith("# house version 2\n")
    assert "\n## Promotion to staging: refused\n" in page
    assert version.description.endswith(f" Model card: promotion/2/model_card.md of run {version.run_id}.")


def test_a_gate_that_is_off_is_a_line_in_the_report(project):
    register(write_candidate(project / "v1", provenance={"dirty": True}))
    off = [*HOUSE, "promotion.staging.gates.provenance=null", "promotion.staging.gates.deployable=null"]
    report = to("staging", 1, *off)
    assert [gate for gate, verdict in report.verdicts.items() if "switched off" in verdict.reason] == [
        "provenance", "deployable",
    ]  # fmt: skip
    assert aliases() == {"dev": "1", "staging": "1"}


def test_a_version_of_a_run_that_failed(project):
    register(write_candidate(project / "v1"), ends_well=False)
    with pytest.raises(UserError, match="staging: provenance: the run that trained it is FAILED, not FINISHED"):
        to("staging", 1, *HOUSE, "promotion.staging.gates.deployable=null")


@pytest.mark.parametrize("how", ["deleted", "absent"])
def test_a_version_whose_run_is_gone(project, how):
    version = register(write_candidate(project / "v1"))
    client = mlflow.MlflowClient(store())
    if how == "deleted":
        client.delete_run(version.run_id)
    else:
        with sqlite3.connect("mlflow.db") as database:
            database.execute("UPDATE model_versions SET run_id = NULL")
    with pytest.raises(UserError, match=f"staging: provenance: the run that trained it is {how}, not FINISHED"):
        to("staging", 1, *HOUSE, "promotion.staging.gates.deployable=null")
    assert client.get_model_version("house", "1").tags["promotion.staging"] == "refused"


def test_a_damaged_candidate_is_refused(project):
    register(write_candidate(project / "v1"))
    (kept,) = project.glob("mlruns/**/model.onnx")
    kept.write_bytes(b"x")
    with pytest.raises(
        UserError, match=r"^house version 1 cannot be judged \(.* not the file that .*\): train it anew$"
    ):
        to("staging", 1)
    assert aliases() == {"dev": "1"}


def test_a_proxy_does_not_come_between_the_gate_and_the_service(project, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    register(write_candidate(project / "v1"))
    assert to("staging", 1).verdicts["deployable"].passed


def test_a_service_that_is_too_slow_is_said_to_be(project):
    register(write_candidate(project / "v1"))
    with pytest.raises(UserError, match=r"deployable: the service was not ready after 0\.01 s: see the gate's seconds"):
        to("staging", 1, *HOUSE, "promotion.staging.gates.deployable.seconds=0.01")
