"""All doors answer as the training framework does, on every held-out row of the awkward table."""

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.csv
import pyarrow.parquet
import pytest

from {{ cookiecutter.project_slug }}.inference.batch import score
from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.integrations import mlflow_flavor, mlflow_tracking
from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry

from ..agreement import as_frame, assert_agree
from ..awkward import KINDS, TARGETS
from ..configs import SMALL
from ..servables import serving
from ..trainings import Trained

pytestmark = pytest.mark.slow
every_model = pytest.mark.parametrize(("model", "target"), list(product(SMALL, TARGETS)))
every_target = pytest.mark.parametrize("target", TARGETS)
Train = Callable[[str, str], Trained]


def wanted(case: Trained) -> tuple[pd.DataFrame, float]:
    """The training framework's predictions, and the deviation that the tolerance is measured in."""
    target = case.fitted.target
    values = pd.Series(case.table.columns[target.name][case.sides == "train", 0])
    if target.classes is None:
        return as_frame(case.expected, None), float(values.std(ddof=0))
    share = values.value_counts(normalize=True).max()
    return as_frame(case.expected, target.classes), float(np.sqrt(share * (1 - share)))


def records(frame: pd.DataFrame) -> list[dict[str, object]]:
    """Rows as JSON has them: null where a value is missing."""
    cells = frame[["key", *KINDS]].astype(object).where(frame[["key", *KINDS]].notna(), None)
    return cells.to_dict("records")


@every_model
def test_the_predictions_say_something(train_awkward: Train, model: str, target: str) -> None:
    want, _ = wanted(train_awkward(model, target))
    assert len(want) == 600
    assert want.nunique().max() > 100
    assert np.isfinite(want.select_dtypes("number").to_numpy()).all()


@every_model
def test_engine(train_awkward: Train, heldout: pd.DataFrame, model: str, target: str) -> None:
    case = train_awkward(model, target)
    engine = Engine(case.servable.folder)
    engine.check_golden()
    assert_agree(as_frame(engine.run(heldout), case.fitted.target.classes), *wanted(case))


@every_model
def test_pyfunc(train_awkward: Train, heldout: pd.DataFrame, tmp_path: Path, model: str, target: str) -> None:
    import mlflow

    case = train_awkward(model, target)
    mlflow_flavor.save_model(str(tmp_path / "model"), mlflow.models.Model(), str(case.servable.folder))
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert_agree(loaded.predict(heldout), *wanted(case))


@every_model
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_batch(
    train_awkward: Train, heldout: pd.DataFrame, tmp_path: Path, model: str, target: str, suffix: str
) -> None:
    case = train_awkward(model, target)
    source, scored = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    if suffix == ".csv":
        heldout.to_csv(source, index=False)
    else:
        heldout.to_parquet(source)
    assert score(Engine(case.servable.folder), source, scored, rows=250).scored == 600
    read = pyarrow.csv.read_csv if suffix == ".csv" else pyarrow.parquet.read_table
    got = read(scored).to_pandas()
    assert got.pop("key").astype(str).tolist() == heldout["key"].astype(str).tolist()
    assert_agree(got, *wanted(case))


@every_target
def test_registered_under_an_alias(train_awkward: Train, heldout: pd.DataFrame, tmp_path: Path, target: str) -> None:
    import mlflow

    case = train_awkward("lightgbm", target)
    registry = MlflowRegistry(case.config.mlflow.tracking_uri, tmp_path / "cache")
    with mlflow_tracking.run(case.config.mlflow, "test") as run:
        version = registry.register(run, case.servable.folder, {})
    registry.set_alias(version, "dev")
    reference = f"models:/awkward_{target}@dev"
    assert_agree(mlflow.pyfunc.load_model(reference).predict(heldout), *wanted(case))
    downloaded = Engine(registry.download(registry.find(reference)))
    assert_agree(as_frame(downloaded.run(heldout), case.fitted.target.classes), *wanted(case))


@every_model
def test_http(train_awkward: Train, heldout: pd.DataFrame, model: str, target: str) -> None:
    from fastapi.testclient import TestClient

    from deployment.api.app import create_app

    case = train_awkward(model, target)
    body = json.dumps({"records": records(heldout)}, allow_nan=False)
    with TestClient(create_app(serving(case.servable.folder))) as client:
        answer = client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text[:500]
    got = []
    for prediction in answer.json()["predictions"]:
        probabilities = prediction.pop(f"{target}_probabilities", {})
        got.append(prediction | {f"{target}_probabilities_{label}": p for label, p in probabilities.items()})
    want, deviation = wanted(case)
    assert_agree(pd.DataFrame(got)[list(want.columns)], want, deviation)


@every_model
def test_open_inference(train_awkward: Train, heldout: pd.DataFrame, model: str, target: str) -> None:
    """Tensors as Triton's client packs and unpacks them."""
    from fastapi.testclient import TestClient
    from tritonclient.http import InferenceServerClient, InferInput

    from deployment.api.app import create_app

    case = train_awkward(model, target)
    engine, inputs = Engine(case.servable.folder), []
    for name, array in engine.encode(heldout).items():
        tensor = InferInput(name, list(array.shape), "BYTES" if array.dtype == object else "FP64")
        inputs.append(tensor.set_data_from_numpy(array))
    body, length = InferenceServerClient.generate_request_body(inputs)
    header = "Inference-Header-Content-Length"
    with TestClient(create_app(serving(case.servable.folder))) as client:
        path = f"/v2/models/{engine.contract.name}/infer"
        answer = client.post(path, content=body, headers={header: str(length)})
    assert answer.status_code == 200, answer.text[:500]
    result = InferenceServerClient.parse_response_body(answer.content, header_length=int(answer.headers[header]))
    outputs = {tensor["name"]: result.as_numpy(tensor["name"]) for tensor in result.get_response()["outputs"]}
    for name, array in outputs.items():
        if array.dtype == object:
            outputs[name] = np.array([[label.decode() for label in row] for row in array], object)
    assert_agree(as_frame(outputs, case.fitted.target.classes), *wanted(case))


@every_model
def test_invocations(train_awkward: Train, heldout: pd.DataFrame, model: str, target: str) -> None:
    from fastapi.testclient import TestClient

    from deployment.api.app import create_app

    case = train_awkward(model, target)
    rows = records(heldout)
    table = {"columns": list(rows[0]), "data": [list(row.values()) for row in rows]}
    with TestClient(create_app(serving(case.servable.folder))) as client:
        answer = client.post("/invocations", json={"dataframe_split": table})
    assert answer.status_code == 200, answer.text[:500]
    assert_agree(pd.DataFrame(answer.json()["predictions"]), *wanted(case))
