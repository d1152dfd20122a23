"""Two models in one process do not share code; a column that is wider than 1 goes through every step."""

import re
import shutil
import subprocess
import sys
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
    package = Path(shutil.copytree(Path(wire.__file__).parent, tmp_path / "wire"))
    text = (package / "servable.py").read_text(encoding="utf-8")
    changed = text.replace("flat[name] = array[:, 0]", "flat[name] = array[:, 0] + 1000")
    assert changed != text
    (package / "servable.py").write_text(changed, encoding="utf-8")
    monkeypatch.setattr(wire, "__file__", str(package / "__init__.py"))
    second = saved(servable, tmp_path / "second")
    monkeypatch.undo()
    want = expected(ROWS)["price_prediction"][:, 0]
    for _ in range(2):
        np.testing.assert_allclose(first.predict(frame())["price_prediction"], want, rtol=1e-5)
        np.testing.assert_allclose(second.predict(frame())["price_prediction"], want + 1000, rtol=1e-5)
    names = [model.metadata.flavors["python_function"]["loader_module"] for model in (first, second)]
    assert names[0] != names[1]
    for name, folder in zip(names, (Path(wire.__file__).parent, package), strict=True):
        assert re.fullmatch(r"servable_wire_[0-9a-f]{16}", name)
        shipped = sys.modules[name].__file__
        assert {path.name: path.read_bytes() for path in Path(shipped).parent.glob("*.py")} == {
            path.name: path.read_bytes() for path in folder.glob("*.py")
        }
        loaded = [module for module in sys.modules if module.startswith(f"{name}.")]
        assert sorted(loaded) == [f"{name}.{part}" for part in ("encoding", "plain", "servable", "values")]


def test_the_code_is_shipped_without_what_lies_beside_it(tmp_path: Path) -> None:
    saved(write_servable(tmp_path / "servable"), tmp_path / "model")
    (package,) = (tmp_path / "model/code").iterdir()
    files = {path.name for path in package.rglob("*") if "__pycache__" not in path.parts}
    assert files - {"__pycache__"} == {path.name for path in Path(wire.__file__).parent.glob("*.py")}
    code = f"import sys, {package.name} as w; print(sorted(sys.modules), w.encode(dict(), dict(columns=[], missing_tokens=[])))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=package.parent, capture_output=True, text=True, check=True)
    assert done.stdout.endswith(" {}\n")
    assert not [name for name in ("pandas", "mlflow", "onnxruntime", wire.__name__) if f"'{name}'" in done.stdout]


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
