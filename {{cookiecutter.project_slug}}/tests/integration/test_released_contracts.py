"""Servables of every released version of the contract, kept as files: today's code reads, serves and judges them."""

import json
import re
import shutil
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest

from {{ cookiecutter.project_slug }}.evaluation.heldout import HELDOUT_FILE
from {{ cookiecutter.project_slug }}.inference.batch import score
from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.ports import UserError, Version
from {{ cookiecutter.project_slug }}.promotion.report import judge
from {{ cookiecutter.project_slug }}.schemas.contract import CONTRACT_FILE, SCHEMA_VERSION, Contract
from {{ cookiecutter.project_slug }}.utils.instantiate import build

from tests.candidates import case
from tests.clients import client
from tests.project import composed
from tests.released import write

DIGESTS = {
    "contract-1/regression": "e40440f49adac3931057f49f7781d54271fa95ea9bcb3b6964be83f54866e1f9",  # pragma: allowlist secret
    "contract-1/classification": "73b9a77abff4dac296fbe8ef12e01e5e8f28cd0a05149ae6451474c82a455f33",  # pragma: allowlist secret
}
"""sha256 of each contract, which holds those of the files beside it: what was released never changes."""
ROWS = [
    {"id": "h-1", "area": 80.0, "rooms": 3, "new": True, "sold at": "2021-06-01T12:00:00Z", "city": "süd", "city_area": 115.0},
    {"id": "h-2", "area": None, "rooms": 5, "new": None, "sold at": None, "city": None, "city_area": None},
    {"id": "h-3", "area": 150.5, "rooms": 2, "new": False, "sold at": 1.6e9, "city": 5, "city_area": 117.5},
]  # fmt: skip
ANSWERS = {
    "contract-1/regression": {"price_prediction": [415.938416, 498.418396, 466.658813]},
    "contract-1/classification": {
        "band_prediction": ["mid", "mid", "mid"],
        "band_probabilities_high": [0.0161304958, 0.277720809, 0.239297122],
        "band_probabilities_low": [0.209494799, 0.317786455, 0.0549977794],
        "band_probabilities_mid": [0.774374723, 0.404492766, 0.705705106],
    },
}
"""What each was released with says of ROWS."""


@pytest.fixture(params=DIGESTS)
def name(request):
    return request.param


@pytest.fixture
def folder(name) -> Path:
    return write.HERE / name


def close(values: list[object]) -> list[object]:
    return [value if isinstance(value, str) else pytest.approx(value, rel=1e-5) for value in values]


def test_every_version_is_here():
    """A new SCHEMA_VERSION comes with its servables: README.md in tests/released says how."""
    found = {path.parent.relative_to(write.HERE).as_posix() for path in write.HERE.rglob(CONTRACT_FILE)}
    versions = range(1, SCHEMA_VERSION + 1)
    assert found == set(DIGESTS) == {f"contract-{number}/{task}" for number in versions for task in write.TARGETS}


def test_what_was_released_is_unchanged(folder, name):
    assert Engine(folder).digest == DIGESTS[name]


@pytest.mark.parametrize("task", write.TARGETS)
def test_the_fields_of_a_version_are_those_that_were_released(task):
    """Code that was released with this version refuses a field more: one that is added needs a new SCHEMA_VERSION."""
    folder = write.HERE / f"contract-{SCHEMA_VERSION}" / task
    assert Contract.read(folder).to_json() == (folder / CONTRACT_FILE).read_text(encoding="utf-8")


def test_answers_as_it_did(folder, name):
    engine = Engine(folder, threads=1)
    assert engine.check_golden() == 64
    answers = engine.flat(engine.run({column: [row[column] for row in ROWS] for column in ROWS[0]}))
    assert {output: array.tolist() for output, array in answers.items()} == {
        output: close(values) for output, values in ANSWERS[name].items()
    }


def test_the_service_serves_it(folder, name):
    response = client(folder).post("/predict", json={"records": ROWS})
    assert response.status_code == 200
    for row, answer in enumerate(response.json()["predictions"]):
        assert answer.pop("id") == ROWS[row]["id"]
        flat = {}
        for output, value in answer.items():
            flat |= {f"{output}_{key}": v for key, v in value.items()} if isinstance(value, dict) else {output: value}
        assert flat == {output: close(values)[row] for output, values in ANSWERS[name].items()}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_batch_scoring_joins_its_feature_table(folder, tmp_path, suffix):
    heldout = pyarrow.parquet.read_table(folder / HELDOUT_FILE)
    given, source = heldout.drop_columns(["city_area"]), tmp_path / f"in{suffix}"
    if suffix == ".csv":
        pyarrow.csv.write_csv(given, source)
    else:
        pyarrow.parquet.write_table(given, source)
    assert score(Engine(folder), source, tmp_path / "out.parquet", rows=10).scored == len(heldout)
    scored = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pydict()
    assert scored == {column: close(heldout[column].to_pylist()) for column in scored}


def test_the_gates_judge_it(folder):
    """Those that look at the servable alone, both as a candidate and as the incumbent of one."""
    nodes = composed("promote", "version=2", "to=prod").promotion.prod.gates
    gates = {gate: build(nodes[gate]) for gate in ("contract", "parity", "quality")}
    verdicts = judge(gates, case(folder, folder, version=Version("released", "2", "run", (), {})))
    assert {gate: verdict.reason for gate, verdict in verdicts.items() if not verdict.passed} == {}
    assert verdicts["contract"].reason == "complete: 6 inputs; compatible with version 1"


def test_a_version_that_is_not_known_is_refused_in_one_line(folder, tmp_path):
    copy = Path(shutil.copytree(folder, tmp_path / "newer"))
    document = json.loads((copy / CONTRACT_FILE).read_text(encoding="utf-8"))
    document |= {"schema_version": SCHEMA_VERSION + 1, "a field": "of the future"}
    (copy / CONTRACT_FILE).write_text(json.dumps(document), encoding="utf-8")
    said = f"{copy / CONTRACT_FILE}: unknown schema_version {SCHEMA_VERSION + 1}: "
    hint = f"this code reads version {SCHEMA_VERSION}; use the project's version that wrote it"
    with pytest.raises(UserError, match=f"^{re.escape(said + hint)}$"):
        Engine(copy)


@pytest.mark.slow
def test_what_the_script_writes_is_of_todays_version(tmp_path):
    write.write(tmp_path / "contract")
    last = write.HERE / f"contract-{SCHEMA_VERSION}"
    for task in write.TARGETS:
        written, kept = Engine(tmp_path / "contract" / task), Engine(last / task)
        written.check_golden()
        assert written.contract.schema_version == SCHEMA_VERSION
        assert written.contract.columns == kept.contract.columns
        assert written.contract.digests.keys() == kept.contract.digests.keys()
