"""The servable's directory: the same bytes everywhere, digests, what is refused, what its files hold."""

import json
import multiprocessing
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from {{ cookiecutter.project_slug }}.data.splits import TRAIN, VALIDATION
from {{ cookiecutter.project_slug }}.data.table import Table
from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.contract import MISSING_TOKENS, Contract, ContractError
from {{ cookiecutter.project_slug }}.training.fit import fit
from {{ cookiecutter.project_slug }}.training.golden import UNKNOWN
from {{ cookiecutter.project_slug }}.training.servable import export
from {{ cookiecutter.project_slug }}.utils.provenance import Code

from ..agreement import as_frame
from ..awkward import KINDS
from ..trainings import Trained, digests, train_elsewhere

pytestmark = pytest.mark.slow
Train = Callable[[str, str], Trained]


@pytest.fixture
def copy(train_awkward: Train, tmp_path: Path) -> Path:
    """A servable that a test may spoil."""
    return Path(shutil.copytree(train_awkward("lightgbm", "cls").servable.folder, tmp_path / "copy"))


def set_in_contract(folder: Path, **values: Any) -> None:
    document = json.loads((folder / "contract.json").read_text(encoding="utf-8"))
    (folder / "contract.json").write_text(json.dumps(document | values), encoding="utf-8")


@pytest.mark.parametrize(("model", "target"), [("mlp", "cls"), ("lightgbm", "y"), ("linear", "bin")])
def test_the_same_bytes_in_another_folder_and_process(
    train_awkward: Train, tmp_path: Path, model: str, target: str
) -> None:
    process = multiprocessing.get_context("spawn").Process(target=train_elsewhere, args=(tmp_path, model, target))
    process.start()
    here = digests(train_awkward(model, target).servable.folder)
    process.join(300)
    assert process.exitcode == 0
    assert set(here) == {"contract.json", "golden.json", "heldout.parquet", "model.onnx", "reference.json"}
    assert digests(tmp_path / "servable") == here


@pytest.mark.parametrize("model", ["mlp", "linear", "xgboost"])
def test_the_graph_names_no_path(train_awkward: Train, model: str) -> None:
    blob = (train_awkward(model, "cls").servable.folder / "model.onnx").read_bytes()
    for trace in (b"site-packages", b"/tmp", b".py", b"Traceback", str(Path.home()).encode() + b"/"):
        assert trace not in blob


def test_every_file_has_its_digest(train_awkward: Train) -> None:
    servable = train_awkward("lightgbm", "cls").servable
    found = digests(servable.folder)
    del found["contract.json"]
    assert servable.contract.digests == found
    assert Contract.read(servable.folder) == servable.contract


@pytest.mark.parametrize("name", ["model.onnx", "heldout.parquet", "golden.json", "reference.json"])
def test_a_changed_file_is_refused(copy: Path, name: str) -> None:
    blob = bytearray((copy / name).read_bytes())
    blob[len(blob) // 2] ^= 1
    (copy / name).write_bytes(blob)
    with pytest.raises(UserError) as error:
        Engine(copy)
    assert str(error.value) == (
        f"{copy / name} is not the file that was trained: its sha256 differs from the contract's"
    )
    (copy / name).unlink()
    with pytest.raises(UserError) as error:
        Engine(copy)
    assert str(error.value) == f"{copy} is incomplete: {name} is absent"


def test_a_contract_that_cannot_be_read(copy: Path) -> None:
    set_in_contract(copy, schema_version=2)
    with pytest.raises(ContractError) as error:
        Contract.read(copy)
    hint = "this code reads version 1; use the project's version that wrote it"
    assert str(error.value) == f"{copy / 'contract.json'}: unknown schema_version 2: {hint}"
    set_in_contract(copy, schema_version=1, color="red")
    with pytest.raises(UserError, match=r"contract\.json: color: Extra inputs are not permitted$"):
        Engine(copy)
    (copy / "contract.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match=r"contract\.json: : Invalid JSON") as refused:
        Engine(copy)
    assert "\n" not in str(refused.value)
    (copy / "contract.json").unlink()
    with pytest.raises(UserError) as absent:
        Engine(copy)
    assert str(absent.value) == f"{copy} is not a servable: it has no contract.json"


def test_a_graph_of_another_contract_is_refused(copy: Path) -> None:
    columns = json.loads((copy / "contract.json").read_text(encoding="utf-8"))["columns"]
    set_in_contract(copy, columns=[column for column in columns if column["name"] != "with space"])
    with pytest.raises(UserError) as error:
        Engine(copy)
    assert str(error.value) == f"{copy}: graph and contract disagree on the inputs: 'with space'"


def test_a_broken_graph_is_refused_in_one_line(copy: Path) -> None:
    (copy / "model.onnx").write_bytes(b"no graph")
    set_in_contract(copy, digests={})
    with pytest.raises(UserError, match=r"model\.onnx does not load: ") as error:
        Engine(copy)
    assert "\n" not in str(error.value)


def test_golden_rows_that_differ_are_refused(copy: Path) -> None:
    set_in_contract(copy, digests={})
    golden = json.loads((copy / "golden.json").read_text(encoding="utf-8"))
    golden["outputs"]["cls_probabilities"][7] = [0.5, 0.3, 0.2]
    (copy / "golden.json").write_text(json.dumps(golden), encoding="utf-8")
    with pytest.raises(UserError, match=r": 1 of 64 golden rows differ; row 7 of cls by .* times the tolerance$"):
        Engine(copy).check_golden()


def test_golden_rows_cover_every_column(train_awkward: Train) -> None:
    case = train_awkward("lightgbm", "cls")
    golden = json.loads((case.servable.folder / "golden.json").read_text(encoding="utf-8"))
    assert len(golden["outputs"]["cls_prediction"]) == 64
    train = case.table.take(case.sides == TRAIN)
    assert list(golden["inputs"]) == list(KINDS)
    for name, kind in KINDS.items():
        cells = golden["inputs"][name]
        assert None in cells
        seen = pd.Series(train.columns[name][:, 0]).replace("", None).dropna()
        if kind == "category":
            frequent = sorted(seen.value_counts().items(), key=lambda level: (-level[1], level[0]))[:3]
            assert {UNKNOWN, *(level for level, _ in frequent)} <= set(cells)
        elif len(seen):
            assert {seen.min(), seen.max()} <= {cell for cell in cells if cell is not None}


def test_the_heldout_file(train_awkward: Train, heldout: pd.DataFrame) -> None:
    case = train_awkward("lightgbm", "cls")
    kept = pd.read_parquet(case.servable.folder / "heldout.parquet")
    expected = as_frame(case.expected, case.fitted.target.classes)
    assert list(kept.columns) == ["key", *KINDS, "cls", *expected.columns]
    assert kept["key"].tolist() == heldout["key"].astype(str).tolist()
    assert kept["cls"].tolist() == heldout["cls"].tolist()
    pd.testing.assert_frame_equal(kept[list(expected.columns)], expected)
    pd.testing.assert_series_equal(kept["big"], heldout["big"])


def test_the_reference_distribution(train_awkward: Train) -> None:
    case = train_awkward("lightgbm", "cls")
    found = json.loads((case.servable.folder / "reference.json").read_text(encoding="utf-8"))
    train = case.table.take(case.sides == TRAIN)
    assert set(found) == {*KINDS, "cls", *as_frame(case.expected, case.fitted.target.classes)}
    when = train.columns["when_s"][:, 0]
    known = when[~np.isnan(when)]
    assert found["when_s"]["rows"] == 2_000
    assert found["when_s"]["missing"] == pytest.approx(1 - len(known) / 2_000)
    assert found["when_s"]["edges"] == pytest.approx(np.quantile(known, np.arange(11) / 10).tolist())
    assert sum(found["when_s"]["counts"]) == len(known)
    colours = pd.Series(train.columns["colour"][:, 0])
    assert found["colour"]["levels"] == colours[colours != ""].value_counts().to_dict()
    assert found["colour"]["missing"] == pytest.approx((colours == "").mean())
    assert len(found["sku"]["levels"]) == 100
    assert found["sku"]["others"] + sum(found["sku"]["levels"].values()) == 2_000
    assert found["void"]["missing"] == 1.0


def test_the_contract_says_what_was_seen(train_awkward: Train) -> None:
    case = train_awkward("lightgbm", "cls")
    contract, train = case.servable.contract, case.table.take(case.sides == TRAIN)
    columns = {column.name: column for column in contract.columns}
    assert {name: column.kind for name, column in columns.items() if column.role == "feature"} == KINDS
    assert (columns["key"].role, columns["key"].kind) == ("key", "category")
    big = train.columns["big"][:, 0]
    assert columns["big"].range == (big.min(), big.max())
    assert columns["big"].typical == np.median(big)
    assert columns["void"].range is None
    assert len(columns["sku"].categories or ()) == 100
    assert contract.target.classes == ("hoch ü", "low", "mid")
    assert contract.missing_tokens == MISSING_TOKENS
    assert contract.split == {"method": "column", "column": "side"}
    assert contract.opsets == {"ai.onnx": 18, "ai.onnx.ml": 3, "ir": 10}
    assert contract.provenance is not None
    raw = next(Path(case.config.data.raw_dir).iterdir())
    assert {contract.provenance.data} == set(digests(raw.parent).values())


def test_nothing_is_fitted_on_rows_that_are_not_training_rows(train_awkward: Train) -> None:
    case = train_awkward("linear", "y")
    train = case.sides == TRAIN
    spoilt = {name: values.copy() for name, values in case.table.columns.items()}
    for name, kind in KINDS.items():
        spoilt[name][~train] = "spoilt" if kind == "category" else 0.0
    table = Table(spoilt, case.table.fingerprint, case.table.folder)
    again = fit(case.config, table, train, case.sides == VALIDATION, lambda epoch, metrics: None)
    assert again.front_end == case.fitted.front_end
    assert again.target == case.fitted.target
    assert (again.model.estimator.coef_ == case.fitted.model.estimator.coef_).all()  # type: ignore[attr-defined]


def test_a_graph_that_differs_from_its_model_is_not_written(train_awkward: Train, tmp_path: Path) -> None:
    case = train_awkward("lightgbm", "y")

    class Shifted:
        """A model whose graph says something else than itself."""

        to_onnx = case.fitted.model.to_onnx

        @staticmethod
        def predict(features: np.ndarray) -> dict[str, np.ndarray]:
            return {"prediction": case.fitted.model.predict(features)["prediction"] + 0.1}

    wrong = replace(case.fitted, model=Shifted())
    with pytest.raises(
        UserError, match=r"^the exported graph differs from the model on 600 of 600 held-out rows, by up "
    ):
        export(wrong, case.table, case.sides, case.config, Code(None, None, None, None), tmp_path / "servable")
    assert not list(tmp_path.iterdir())


def test_the_heldout_file_is_capped_by_a_sample(train_awkward: Train, tmp_path: Path, heldout: pd.DataFrame) -> None:
    case = train_awkward("lightgbm", "y")
    capped = case.config.evaluation.model_copy(update={"heldout_rows": 100})
    config = case.config.model_copy(update={"evaluation": capped})
    export(case.fitted, case.table, case.sides, config, Code(None, None, None, None), tmp_path / "servable")
    kept = pd.read_parquet(tmp_path / "servable" / "heldout.parquet")
    assert len(kept) == 100
    places = heldout["key"].astype(str).tolist()
    drawn = [places.index(key) for key in kept["key"]]
    assert drawn == sorted(set(drawn))
    assert drawn[0] < 100 < 500 < drawn[-1]
