"""Two models in one process do not share code; a column that is wider than 1 goes through every step."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from {{ cookiecutter.project_slug }}.inference import wire
from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.inference.wire import encode
from {{ cookiecutter.project_slug }}.integrations import mlflow_flavor

from ..servables import CITY, COLUMNS, ROWS, expected, write_servable

pytestmark = pytest.mark.slow


def saved(servable: Path, path: Path) -> Any:
    """A servable as MLflow keeps it."""
    import mlflow

    mlflow_flavor.save_model(str(path), mlflow.models.Model(), str(servable))
    return mlflow.pyfunc.load_model(str(path))


def frame() -> pd.DataFrame:
    return pd.DataFrame(ROWS)


def test_two_versions_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    servable = write_servable(tmp_path / "servable")
    first = saved(servable, tmp_path / "first")
    text = Path(wire.__file__).read_text(encoding="utf-8")
    changed = text.replace("flat[name] = array[:, 0]", "flat[name] = array[:, 0] + 1000")
    assert changed != text
    (tmp_path / "wire.py").write_text(changed, encoding="utf-8")
    monkeypatch.setattr(wire, "__file__", str(tmp_path / "wire.py"))
    second = saved(servable, tmp_path / "second")
    monkeypatch.undo()
    want = expected(ROWS)["price_prediction"][:, 0]
    for _ in range(2):
        np.testing.assert_allclose(first.predict(frame())["price_prediction"], want, rtol=1e-5)
        np.testing.assert_allclose(second.predict(frame())["price_prediction"], want + 1000, rtol=1e-5)
    names = [model.metadata.flavors["python_function"]["loader_module"] for model in (first, second)]
    hashes = [hashlib.sha256(code.encode()).hexdigest()[:16] for code in (text, changed)]
    assert names == [f"servable_wire_{value}" for value in hashes]


def test_two_models_of_the_same_code(tmp_path: Path) -> None:
    price = saved(write_servable(tmp_path / "a"), tmp_path / "price")
    risk = saved(write_servable(tmp_path / "b", "classification"), tmp_path / "risk")
    higher = saved(write_servable(tmp_path / "c", bias=100.0), tmp_path / "higher")
    np.testing.assert_allclose(
        price.predict(frame())["price_prediction"], expected(ROWS)["price_prediction"][:, 0], rtol=1e-5
    )
    want = expected(ROWS, "classification")
    assert risk.predict(frame())["risk_prediction"].tolist() == want["risk_prediction"][:, 0].tolist()
    raised = expected(ROWS, bias=100.0)["price_prediction"][:, 0]
    np.testing.assert_allclose(higher.predict(frame())["price_prediction"], raised, rtol=1e-5)


@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_a_column_of_width_three(tmp_path: Path, kind: Any) -> None:
    servable = write_servable(tmp_path / "servable", kind)
    engine = Engine(servable)
    engine.check_golden()
    document = engine.contract.model_dump()
    feeds = encode(frame(), document)
    assert feeds["history"].shape == (5, 3)
    np.testing.assert_array_equal(feeds["history"][:3], [[1.5, 2.5, 3.5], [0, np.nan, -1], [np.nan] * 3])
    assert feeds[CITY].shape == (5, 1)
    want = expected(ROWS, kind)
    got = engine.run(frame())
    flat = saved(servable, tmp_path / "model").predict(frame())
    for name, values in want.items():
        if name.endswith("_probabilities"):
            np.testing.assert_allclose(got[name], values, rtol=1e-5)
            np.testing.assert_allclose(flat[[column for column in flat if column.startswith(name)]], values, rtol=1e-5)
        elif kind == "regression":
            np.testing.assert_allclose(got[name], values, rtol=1e-5)
            np.testing.assert_allclose(flat[name], values[:, 0], rtol=1e-5)
        else:
            assert flat[name].tolist() == got[name][:, 0].tolist() == values[:, 0].tolist()
    arrays = frame().assign(history=[np.array(row["history"], float) for row in ROWS])
    pd.testing.assert_frame_equal(saved(servable, tmp_path / "again").predict(arrays), flat)
    assert [column.width for column in COLUMNS if column.name == "history"] == [3]
