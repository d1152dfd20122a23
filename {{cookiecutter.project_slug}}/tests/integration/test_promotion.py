"""`promote`, `rollback` and `registry` on a real store: which aliases move, who may move them, what is written down."""

import json
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from {{ cookiecutter.project_slug }}.cli.moving import mover
from {{ cookiecutter.project_slug }}.cli.promote import promote
from {{ cookiecutter.project_slug }}.cli.registry import registry as list_registry
from {{ cookiecutter.project_slug }}.cli.rollback import rollback
from {{ cookiecutter.project_slug }}.ports import Mover, UserError
from {{ cookiecutter.project_slug }}.promotion.gates import ParityGate
from {{ cookiecutter.project_slug }}.schemas.config import validate
from {{ cookiecutter.project_slug }}.schemas.promotion import GATES, PromoteConfig

from tests.candidates import write_candidate
from tests.project import PACKAGE, composed, environment_of, make_project, store
from tests.promotions import HOUSE, aliases, incumbent, register, to
from tests.registries import MemoryRegistry

pytestmark = pytest.mark.slow
HAND = ["mlflow.model=house", "promotion.ci=null", "promotion.by_hand=true"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = make_project(tmp_path)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store())
    return folder


def test_a_version_is_promoted_replaced_and_brought_back(project, capsys):
    incumbent(project)
    assert aliases() == {"dev": "1", "staging": "1", "prod": "1"}
    register(write_candidate(project / "v2"))
    report = to("staging", 2)
    assert report.refusals == {}
    assert report.incumbent == "1"
    assert tuple(report.verdicts) == GATES
    assert "and answered 5 golden rows" in report.verdicts["deployable"].reason
    assert aliases() == {"dev": "2", "staging": "2", "prod": "1"}
    assert to("staging", 2) is None  # it holds it already
    to("prod", 2)
    assert aliases() == {"dev": "2", "staging": "2", "prod": "2", "archived": "1"}
    client = mlflow.MlflowClient(store())
    version = client.get_model_version("house", "2")
    assert version.tags["promotion.prod"] == "passed: promotion/2/prod.md"
    kept = {artifact.path for artifact in client.list_artifacts(version.run_id, "promotion/2")}
    reports = {f"promotion/2/{alias}.{suffix}" for alias in ("staging", "prod") for suffix in ("json", "md")}
    assert kept == {*reports, "promotion/2/model_card.md"}
    document = json.loads(mlflow.artifacts.load_text(f"runs:/{version.run_id}/promotion/2/prod.json"))
    assert (document["passed"], document["incumbent"], document["by"]) == (True, "1", "CI (woodpecker)")
    withdrawn, serving = rollback(composed("rollback", *HOUSE))
    assert (withdrawn.version, serving.version) == ("2", "1")
    assert aliases() == {"prod": "1"}
    with pytest.raises(UserError, match="nothing held prod before version 1: there is no way back"):
        rollback(composed("rollback", *HOUSE))
    with pytest.raises(UserError, match="version 2 was withdrawn by a rollback: train a new version"):
        to("staging", 2)
    capsys.readouterr()
    listed = list_registry(composed("registry", "mlflow.model=house", "format=json"))
    assert json.loads(capsys.readouterr().out) == listed
    assert listed["aliases"] == {"prod": "1"}
    second, first = listed["versions"]
    assert (second["version"], second["lifecycle"], second["aliases"]) == ("2", "withdrawn", [])
    assert (first["lifecycle"], first["metrics"]) == (None, {"test/rmse": 5.1})
    moves = [(move["alias"], "removed" if "removed" in move else move["before"]) for move in first["history"]]
    assert moves == [
        ("dev", None), ("staging", None), ("prod", None), ("archived", None), ("archived", "removed"), ("prod", "2"),
    ]  # fmt: skip
    assert {move["by"] for move in first["history"][1:]} == {"CI (woodpecker)"}
    record = [tuple(move.get(key) for key in ("kind", "version", "to", "before", "state")) for move in listed["moves"]]
    assert record == [
        ("rollback", "1", "prod", "2", "done"), ("promote", "2", "prod", "1", "done"),
        ("promote", "2", "staging", "1", "done"), ("promote", "1", "prod", None, "done"),
        ("promote", "1", "staging", None, "done"),
    ]  # fmt: skip
    (to_prod,) = [move for move in second["history"] if move["alias"] == "prod"]
    assert listed["moves"][1]["report"] == to_prod["report"] == "promotion/2/prod.md"
    assert client.get_model_version("house.moves", "4").source == f"runs:/{version.run_id}/promotion/2"
    list_registry(composed("registry", "mlflow.model=house"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "house: prod 1"
    cells = lines[3].split()
    assert cells[:2] == ["2", "withdrawn"]
    assert cells[3] in ("s", "min")
    assert cells[4:] == ["rmse", "5.1", "cccccccc", "passed", "passed", "CI", "(woodpecker)"]


def test_an_incumbent_that_is_damaged_can_be_replaced_when_clients_are_told(project):
    incumbent(project)
    register(write_candidate(project / "v2"))
    (damaged,) = [path for path in project.glob("mlruns/**/model.onnx") if path.read_bytes() == graph(project, "v1")]
    damaged.write_bytes(b"x")
    quick = [*HOUSE, "promotion.staging.gates.deployable=null"]
    with pytest.raises(UserError, match=r"contract: version 1 cannot be compared with .*is not the file that was"):
        to("staging", 2, *quick)
    to("staging", 2, *quick, "promotion.new_major=true")
    to("prod", 2, *HOUSE, "promotion.prod.gates.deployable=null", "promotion.new_major=true")
    assert aliases()["prod"] == "2"
    with pytest.raises(UserError, match="is not the file that was trained"):  # the way back leads nowhere
        rollback(composed("rollback", *HOUSE))
    assert aliases()["prod"] == "2"


def test_a_candidate_that_is_damaged_gets_a_report_too(project):
    version = register(write_candidate(project / "v1"))
    (damaged,) = project.glob("mlruns/**/model.onnx")
    damaged.write_bytes(b"x")
    refused = r"^house version 1 cannot be judged \(.*is not the file that was trained.*\): train it anew$"
    with pytest.raises(UserError, match=refused):
        to("staging", 1, *HOUSE, "promotion.staging.gates.deployable=null")
    tags = mlflow.MlflowClient(store()).get_model_version("house", "1").tags
    assert tags["promotion.staging"] == "refused: promotion/1/staging.md"
    document = json.loads(mlflow.artifacts.load_text(f"runs:/{version.run_id}/promotion/1/staging.json"))
    assert [gate["verdict"] for gate in document["gates"]] == ["refused"] * 6 + ["off"]
    assert all(gate["reason"].startswith("not run: ") for gate in document["gates"][:-1])
    assert aliases() == {"dev": "1"}


def graph(project, name: str) -> bytes:
    return (project / name / "model.onnx").read_bytes()


def test_prod_that_moves_while_the_gates_run_stops_the_promotion(project, monkeypatch):
    incumbent(project)
    register(write_candidate(project / "v2"))
    register(write_candidate(project / "v3"))
    quick = [*HOUSE, *(f"promotion.{stage}.gates.deployable=null" for stage in ("staging", "prod"))]
    to("staging", 2, *quick)
    check = ParityGate.check

    def meanwhile(gate, case):
        monkeypatch.setattr(ParityGate, "check", check)
        to("staging", 3, *quick)
        to("prod", 3, *quick)
        return check(gate, case)

    monkeypatch.setattr(ParityGate, "check", meanwhile)
    moved = "house: prod moved while the gates ran: version 3 holds it now, then it was 1; nothing was moved; ask again"
    with pytest.raises(UserError, match=f"^{moved}$"):
        to("prod", 2, *quick)
    assert aliases()["prod"] == "3"


def test_a_repeated_rollback_looks_at_no_other_version(project):
    incumbent(project)
    quick = [*HOUSE, *(f"promotion.{stage}.gates.deployable=null" for stage in ("staging", "prod"))]
    for number in (2, 3):
        register(write_candidate(project / f"v{number}"))
        to("staging", number, *quick)
        to("prod", number, *quick)
    rollback(composed("rollback", "version=3", *HOUSE))
    for kept in project.glob("mlruns/**/model.onnx"):
        kept.write_bytes(b"x")
    withdrawn, serving = rollback(composed("rollback", "version=3", *HOUSE))
    assert (withdrawn.version, serving.version) == ("3", "2")


def test_tags_of_other_hands_do_not_stop_the_list(project):
    register(write_candidate(project / "v1"))
    client = mlflow.MlflowClient(store())
    for key, value in {"test/notes": "looks good", "test/mae": "nan", "history": "oops"}.items():
        client.set_model_version_tag("house", "1", key, value)
    (version,) = list_registry(composed("registry", "mlflow.model=house", "format=json"))["versions"]
    assert (version["metrics"], version["history"]) == ({"test/rmse": 5.1}, [])
    to("staging", 1, *HOUSE, "promotion.staging.gates.deployable=null")
    (move,) = json.loads(client.get_model_version("house", "1").tags["history"])
    assert (move["alias"], move["before"]) == ("staging", None)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["promotion.ci=null"], "only CI moves staging and prod; on this embedded store add promotion.by_hand=true"),
        (["promotion.ci=false"], "only CI moves staging and prod; on this embedded store add promotion.by_hand=true"),
        (["promotion.ci=1", "version=7"], r"house has no version 7 at sqlite:///.*mlflow\.db"),
        (["promotion.ci=1", "to=dev"], "config: to: Input should be 'staging' or 'prod', not 'dev'"),
        (["promotion.ci=1", "mlflow.model=flat"], "there is no registered model 'flat' at .*: train it first"),
        (["promotion.ci=1", "+promotion.staging.gates.quality.flor=1"], "quality.flor is not an argument of .* did you mean floor"),
        (["promotion.ci=1", "promotion.staging.gates.quality._target_=os.system"], "os.system is not of "),
        (["promotion.ci=1", "~promotion.staging.gates.quality"], "config: promotion.staging.gates: quality is gone: null switches a gate off, and the report says so"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_moves_nothing(project, overrides, message):
    register(write_candidate(project / "v1"))
    with pytest.raises(UserError, match=message) as caught:
        promote(composed("promote", "mlflow.model=house", *["version=1", "to=staging", *overrides]))
    assert len(str(caught.value).splitlines()) == 1
    assert aliases() == {"dev": "1"}


def test_where_a_move_came_from_is_in_the_history_and_in_the_record(project):
    register(write_candidate(project / "v1"))
    origin = {"pipeline": "https://ci.example.org/repos/1/pipeline/7", "commit": "d" * 40}
    given = [f"promotion.{key}={value}" for key, value in origin.items()]
    to("staging", 1, *HOUSE, *given, "promotion.staging.gates.deployable=null")
    listed = list_registry(composed("registry", "mlflow.model=house", "format=json"))
    move = listed["versions"][0]["history"][-1]
    assert move == {"alias": "staging", "by": "CI (woodpecker)", **origin, "before": None,
                    "report": "promotion/1/staging.md", "at": move["at"]}  # fmt: skip
    (entry,) = listed["moves"]
    assert {key: entry[key] for key in origin} == origin
    with pytest.raises(UserError, match=r"'house\.moves' is the record of 'house'"):
        list_registry(composed("registry", "mlflow.model=house.moves"))


def test_a_version_whose_run_is_gone_for_good_is_still_recorded(project, monkeypatch):
    """As a server with accounts refuses a source in a run that it does not know."""
    register(write_candidate(project / "v1"))
    make = mlflow.MlflowClient.create_model_version

    def refuse(client, name, source, run_id=None, **others):
        if run_id is not None:
            raise mlflow.exceptions.MlflowException("Permission denied", PERMISSION_DENIED)
        return make(client, name, source, **others)

    monkeypatch.setattr(mlflow.MlflowClient, "create_model_version", refuse)
    to("staging", 1, *HOUSE, "promotion.staging.gates.deployable=null")
    assert mlflow.MlflowClient(store()).get_model_version("house.moves", "1").source == "moves:/house/1"


def test_reading_makes_no_record(project):
    register(write_candidate(project / "v1"))
    assert list_registry(composed("registry", "mlflow.model=house"))["moves"] == []
    assert [model.name for model in mlflow.MlflowClient(store()).search_registered_models()] == ["house"]


def test_reading_makes_no_store(project):
    with pytest.raises(UserError, match=r"^there is no .*mlflow\.db in .*: train first, or set MLFLOW_TRACKING_URI$"):
        list_registry(composed("registry"))
    assert not (project / "mlflow.db").exists()


def test_by_hand_is_written_down(project):
    register(write_candidate(project / "v1"))
    to("staging", 1, *HAND, "promotion.staging.gates.deployable=null")
    history = json.loads(mlflow.MlflowClient(store()).get_model_version("house", "1").tags["history"])
    assert history[-1]["by"].endswith(", by hand")


def test_on_a_shared_server_only_ci_moves_aliases(project):
    shared = MemoryRegistry(1)
    shared.embedded = False
    config = validate(PromoteConfig, composed("promote", "version=1", "to=prod", *HAND)).promotion
    with pytest.raises(UserError, match=r"^only CI moves staging and prod on a shared registry: start its pipeline$"):
        mover(config, shared)
    in_ci = validate(PromoteConfig, composed("promote", "version=1", "to=prod", *HOUSE)).promotion
    assert mover(in_ci, shared) == Mover("CI (woodpecker)")


def test_as_a_process(project):
    register(write_candidate(project / "v1", provenance={"dirty": True}))
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", f"{PACKAGE}.cli.promote", "version=1", "to=staging", *HOUSE]
    done = subprocess.run(
        command, cwd=project, env=environment_of(PYTHONPATH=f"{root / 'src'}:{root}"), capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == (
        "error: house version 1 does not become staging: provenance: trained with uncommitted changes: commit them, and "
        "train again\n"
    )
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["passed"] * 4 + ["refused"] + ["passed"] * 2
    assert not (project / "outputs").exists()
