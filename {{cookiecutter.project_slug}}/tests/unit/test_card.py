"""The model card, from values."""

import pytest

from {{ cookiecutter.project_slug }}.ports import RunFacts
from {{ cookiecutter.project_slug }}.promotion.card import card, summary
from {{ cookiecutter.project_slug }}.promotion.case import Verdict
from {{ cookiecutter.project_slug }}.promotion.report import Report
from {{ cookiecutter.project_slug }}.schemas.contract import Column, Contract, Provenance, Target
from {{ cookiecutter.project_slug }}.schemas.resolved import read_resolved

from tests.candidates import CONFIG

COLUMNS = (
    Column(name="age", kind="number", unit="years", missing=False, range=(18.0, 90.0)),
    Column(name="seen at", kind="time", range=(0.0, 1.6e9)),
    Column(name="city", kind="category", categories=tuple(f"c{number}" for number in range(14))),
    Column(name="a|b", kind="number"),
    Column(name="id", role="key", kind="category"),
)
CONTRACT = Contract(
    name="house",
    columns=COLUMNS,
    targets=(Target(name="price", kind="regression", unit="k$", deviation=2.0),),
    split={"method": "hash", "by": None, "heldout": 0.2},
    opsets={"ai.onnx": 18},
    provenance=Provenance(commit="c" * 40, dirty=False, lock="f" * 64, data="d" * 64, config="e" * 64),
)
RISK = CONTRACT.model_copy(
    update={"targets": (Target(name="risk", kind="classification", classes=("low", "high"), deviation=0.5),)}
)
RUN = RunFacts(
    metrics={"test/rmse": 12.3456789, "train/rmse": 11.0, "test/mae": 9.0, "val/loss": 0.5, "export/parity": 0.1},
    tags={"data.rows": "100", "data.rows.train": "70", "data.rows.val": "10", "data.rows.test": "20",
          "package.onnx": "1.23.2", "package.torch": "absent"},
)  # fmt: skip
REPORT = Report(
    "house", "3", "staging", "2", "CI", "2026-01-01T00:00:00+00:00",
    {
        "quality": Verdict(True, "fine", {"skill": 0.5, "slices": {"old": {"rows": 60.0, "candidate": 1.5}}}),
        "security": Verdict(False, "a pickle"),
    },
)  # fmt: skip


def config(**changed: object):
    return read_resolved(CONFIG).model_copy(update=changed)


def sections(page: str) -> dict[str, str]:
    """The text under each heading of the second level."""
    _, *parts = page.split("\n## ")
    return {part.partition("\n")[0]: part.partition("\n")[2].strip() for part in parts}


def test_a_card_of_a_run():
    page = card(CONTRACT, config(description="What a house\nis worth"), RUN, version=None, report=None)
    assert page.startswith("# house\n")
    found = sections(page)
    assert list(found) == [
        "Model details", "Intended use", "Metrics", "Training and evaluation data", "Slices", "Inputs and their limits",
    ]  # fmt: skip
    assert found["Intended use"] == "What a house is worth"
    assert found["Metrics"].splitlines()[2:] == [
        "| metric | training | validation | held out |",
        "| --- | --- | --- | --- |",
        "| rmse | 11 | – | 12.346 |",
        "| loss | – | 0.5 | – |",
        "| mae | – | – | 9 |",
    ]
    details = found["Model details"].splitlines()
    assert details[0] == "- Predicts `price`, a number, in k$"
    assert "models.lightning.LightningMLP`, seed 0; see the run's config.yaml" in details[1]
    assert f"- Code: commit {'c' * 40}; uv.lock {'f' * 64}" in details
    assert f"- Configuration: {'e' * 64}" in details
    assert details[-1] == "- Libraries: onnx 1.23.2"
    data = found["Training and evaluation data"].splitlines()
    assert data == [
        f"- Raw table: sha256 {'d' * 64}",
        "- Source: `diabetes`, ScikitLearnSource",
        "- Rows: 100 (70 training, 10 validation, 20 held out)",
        "- Split: method hash, heldout 0.2; held-out rows were seen by neither fitting nor tuning",
    ]
    assert found["Slices"] == "They are measured by the gates, when the version is promoted."
    assert found["Inputs and their limits"].splitlines()[2:] == [
        "| input | kind | may be missing | seen in training |",
        "| --- | --- | --- | --- |",
        "| `age` | number, years | no | 18 to 90 |",
        "| `seen at` | time | yes | 1970-01-01 to 2020-09-13 |",
        f"| `city` | category | yes | {', '.join(f'c{n}' for n in range(12))} and 2 more |",
        "| `a\\|b` | number | yes | – |",
        "",
        "Keys, which no prediction depends on: `id`.",
    ]


def test_a_card_of_a_promotion():
    page = card(RISK, config(), RUN, version="3", report=REPORT)
    assert page.startswith("# house version 3\n")
    found = sections(page)
    assert "- Predicts `risk`, a class: low, high" in found["Model details"]
    assert found["Slices"].endswith("|  | rows | candidate |\n| --- | --- | --- |\n| old | 60 | 1.5 |")
    promotion = found["Promotion to staging: refused"]
    assert promotion.startswith("Asked by CI at 2026-01-01T00:00:00+00:00; compared with version 2.")
    assert "| security | refused | a pickle |" in promotion
    assert "\n### quality\n" in promotion


def test_a_card_of_what_little_is_known():
    bare = Contract(name="house", columns=COLUMNS[:1], targets=CONTRACT.targets)
    nothing = Report("house", "3", "prod", None, "CI", "2026-01-01T00:00:00+00:00", {})
    found = sections(card(bare, None, RunFacts({}, {}), version="3", report=nothing))
    assert found["Intended use"] == "The experiment's `description` does not say."
    assert found["Metrics"] == "None are recorded."
    assert found["Training and evaluation data"].startswith("- Split: unknown; ")
    assert found["Slices"].startswith("None are named for this model")
    assert "Keys" not in found["Inputs and their limits"]


URL = "https://me:s3cret@host.org:8443/a.csv?token=s3cret"  # pragma: allowlist secret


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (None, "a file of the user"),
        ({"_target_": "x.UrlSource", "url": URL}, "host.org/a.csv"),
        ({"_target_": "x.ScikitLearnSource", "name": "wine"}, "ScikitLearnSource"),
    ],
)
def test_a_source_is_named_without_its_secrets(source, told):
    trained = config()
    trained = trained.model_copy(update={"data": trained.data.model_copy(update={"source": source})})
    page = card(CONTRACT, trained, RUN, version=None, report=None)
    (line,) = [line for line in page.splitlines() if line.startswith("- Source: ")]
    assert line.endswith(told)
    assert "s3cret" not in page


def test_the_code_of_a_run_may_be_unknown():
    made_from = CONTRACT.provenance.model_copy(update={"commit": None, "dirty": None, "lock": None})
    page = card(CONTRACT.model_copy(update={"provenance": made_from}), None, RUN, version=None, report=None)
    assert "- Code: commit unknown, state unknown; uv.lock unknown" in page


def test_a_summary_fits_into_the_registry():
    where = "promotion/3/model_card.md of run r"
    assert summary(CONTRACT, config(description="Worth"), RUN, where) == (
        "Worth. Predicts `price` (regression). rmse 12.346 on the held-out part of 20 rows. "
        "Model card: promotion/3/model_card.md of run r."
    )
    assert summary(CONTRACT, None, RunFacts({}, {}), where).startswith("Predicts `price` (regression). Model card: ")
    assert len(summary(CONTRACT, config(description="word " * 5_000), RUN, where)) < 5_000
