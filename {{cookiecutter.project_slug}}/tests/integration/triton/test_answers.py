"""A trained servable on a real tritonserver answers as training did, over HTTP and gRPC."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tritonclient.utils import InferenceServerException

from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.inference.parity import disagreement
from {{ cookiecutter.project_slug }}.integrations.triton.repository import ModelRepository
from {{ cookiecutter.project_slug }}.integrations.triton.swap import swap

from tests.project import make_project
from tests.servables import CLASSES, ROWS, expected, write_servable
from tests.servers import running as service
from tests.trainings import Trained
from tests.tritons import CLIENTS, Triton, ask, feeds, placement

pytestmark = pytest.mark.slow
MAX_BATCH = 1000


@pytest.fixture(scope="module")
def awkward(triton: Triton, train_awkward: Callable[[str, str], Trained]) -> Engine:
    """Version 1 of a classifier of the awkward table's text classes, served."""
    return serve(triton, train_awkward("lightgbm", "cls").servable.folder)


def serve(triton: Triton, folder: Path) -> Engine:
    placed = placement(folder, 1, max_batch_size=MAX_BATCH)
    swap(triton.server(), ModelRepository(triton.repository, placed.name), placed, lambda: None)
    return placed.engine


@pytest.mark.parametrize("door", CLIENTS)
def test_golden_rows(triton: Triton, awkward: Engine, door: str) -> None:
    client, name = triton.client(door), awkward.contract.name
    assert awkward.check_golden(lambda feeds: ask(client, name, feeds)[1]) >= 64


@pytest.mark.parametrize("door", CLIENTS)
@pytest.mark.parametrize("rows", [1, MAX_BATCH])
def test_what_training_never_saw(triton: Triton, awkward: Engine, heldout: pd.DataFrame, door: str, rows: int) -> None:
    """The held-out rows begin with unknown categories, missing values, and one row of nothing else."""
    table = pd.concat([heldout.iloc[[80]], heldout, heldout]).head(rows)
    encoded = awkward.encode(table)
    version, got = ask(triton.client(door), awkward.contract.name, encoded)
    want = awkward.run_encoded(encoded)
    assert version == "1"
    assert {name: array.shape for name, array in got.items()} == {
        "cls_prediction": (rows, 1),
        "cls_probabilities": (rows, 3),
    }
    assert disagreement(got, want, awkward.contract.target).max() <= 1
    assert set(got["cls_prediction"].ravel()) <= {"low", "mid", "hoch ü"}


@pytest.mark.parametrize("door", CLIENTS)
def test_more_rows_than_a_batch_are_refused(triton: Triton, awkward: Engine, heldout: pd.DataFrame, door: str) -> None:
    encoded = awkward.encode(pd.concat([heldout, heldout]).head(MAX_BATCH + 1))
    with pytest.raises(InferenceServerException, match=r"batch-size must be <= 1000"):
        ask(triton.client(door), awkward.contract.name, encoded)


@pytest.mark.parametrize("door", CLIENTS)
def test_labels_of_a_classifier(triton: Triton, tmp_path: Path, door: str) -> None:
    """Triton's classification extension names the classes from the labels file."""
    engine = serve(triton, write_servable(tmp_path / "risk", "classification", name=f"risk-{door}"))
    top = CLIENTS[door].InferRequestedOutput("risk_probabilities", class_count=1)
    _, got = ask(triton.client(door), engine.contract.name, feeds(engine), outputs=[top])
    found = [text.split(":") for text in got["risk_probabilities"].ravel()]
    want = expected(ROWS, "classification")
    assert [label for _, _, label in found] == want["risk_prediction"].ravel().tolist()
    assert np.allclose([float(value) for value, _, _ in found], want["risk_probabilities"].max(axis=1), atol=1e-5)
    assert {label for _, _, label in found} <= {*CLASSES}


def conversation(client: Any, engine: Engine) -> dict[str, Any]:
    """What a client of the Open Inference Protocol does with a server, whoever that is; and what it is told."""
    name = engine.contract.name
    described = client.get_model_metadata(name)
    told: dict[str, Any] = {
        "ready": (client.is_server_live(), client.is_server_ready(), client.is_model_ready(name)),
        "unknown": client.is_model_ready("barn"),
        "described": {side: sorted(map(str, described[side])) for side in ("inputs", "outputs")},
        "platform": described["platform"],
    }
    told["version"], told["answers"] = ask(client, name, feeds(engine))
    return told


def test_one_client_for_both_services(triton: Triton, tmp_path: Path) -> None:
    """The very same code asks the service of this repository and Triton, for text, gaps and columns of width 3."""
    engine = serve(triton, write_servable(tmp_path / "both", "classification", name="both"))
    with service(make_project(tmp_path / "project"), f"serving.reference={engine.folder}") as process:
        ours = conversation(CLIENTS["http"].InferenceServerClient(f"127.0.0.1:{process.listening().port}"), engine)
    theirs = conversation(triton.client(), engine)
    answers, others = ours.pop("answers"), theirs.pop("answers")
    assert ours == theirs
    assert ours["ready"] == (True, True, True)
    assert not ours["unknown"]
    assert set(answers) == set(others) == {"risk_prediction", "risk_probabilities"}
    assert answers["risk_prediction"].tolist() == others["risk_prediction"].tolist()
    assert disagreement(answers, others, engine.contract.target).max() <= 1
