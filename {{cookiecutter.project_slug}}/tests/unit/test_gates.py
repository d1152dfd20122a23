"""Every gate on hand-made candidates: what it passes, and the line with which it refuses."""

import json
from dataclasses import replace

import numpy as np
import pytest

from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.inference.wire import InputError
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.promotion.case import Incumbent, Verdict
from {{ cookiecutter.project_slug }}.promotion.gates import ContractGate, ParityGate, ProvenanceGate
from {{ cookiecutter.project_slug }}.promotion.quality import QualityGate
from {{ cookiecutter.project_slug }}.promotion.report import OFF, Report, judge
from {{ cookiecutter.project_slug }}.promotion.unseen import unseen_by_both

from tests.candidates import CONFIG, SPLIT, case, records, version, write_candidate

QUALITY = QualityGate(
    floor=0.1,
    tolerance=0.01,
    rows=50,
    slices={},
    slice_tolerance=0.05,
    slice_rows=30,
    resamples=200,
    confidence=0.95,
)

MAJOR = "a new major release (promotion.new_major=true; a tag's number does not say it, since no release has one)"
TOLD = f"when clients are told, make it {MAJOR}"


def test_a_good_candidate_passes(tmp_path):
    asked = case(write_candidate(tmp_path / "b"), write_candidate(tmp_path / "a", bias=3.0))
    contract, parity, quality, provenance = (
        gate.check(asked) for gate in (ContractGate(), ParityGate(), QUALITY, ProvenanceGate())
    )
    assert contract == Verdict(True, "complete: 7 inputs; compatible with version 1")
    assert parity.passed
    assert parity.figures["rows"] == 200
    assert quality.passed
    assert quality.figures["candidate"] == pytest.approx(5, rel=0.2)  # the noise
    assert quality.figures["incumbent"] == pytest.approx(np.hypot(5, 3), rel=0.2)
    assert quality.figures["common_rows"] == 200
    assert provenance == Verdict(
        True, "commit cccccccc, clean tree, lock, configuration, and data dddddddd are recorded"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"contract": {"split": {}}}, "the contract does not cover split: train with this project's code"),
        ({"name": "flat"}, "the contract is that of 'flat', not of 'house'"),
        ({"missing": {"income": False}}, "not compatible with version 1: column 'income' may no longer be missing; "
         f"set its `missing: true` in config/data/; or {TOLD}"),
        ({"key": False}, f"not compatible with version 1: column 'id' is gone; {TOLD}"),
    ],
)  # fmt: skip
def test_contract(tmp_path, changes, message):
    asked = case(write_candidate(tmp_path / "b", **changes), write_candidate(tmp_path / "a"))
    assert ContractGate().check(asked) == Verdict(False, message)


def test_a_new_major_release_may_break_the_contract(tmp_path):
    broken = write_candidate(tmp_path / "b", missing={"income": False})
    asked = case(broken, write_candidate(tmp_path / "a"), new_major=True)
    assert ContractGate().check(asked).passed


def test_a_new_major_release_is_compared_all_the_same(tmp_path):
    worse = write_candidate(tmp_path / "b", bias=3.0)
    verdict = QUALITY.check(case(worse, write_candidate(tmp_path / "a"), new_major=True))
    assert not verdict.passed
    assert verdict.reason.startswith("worse than the incumbent: ")


@pytest.mark.parametrize("new_major", [False, True])
def test_an_incumbent_that_cannot_run_on_these_rows_is_named(tmp_path, monkeypatch, new_major):
    asked = case(write_candidate(tmp_path / "b"), write_candidate(tmp_path / "a"), new_major=new_major)

    def lacks(columns, misfits):
        raise InputError("missing column: 'floor'")

    monkeypatch.setattr(asked.incumbent.engine, "encode", lacks)
    verdict = QUALITY.check(asked)
    assert verdict.passed is new_major
    assert "no comparison: version 1 cannot run (missing column: 'floor'); train one that" in verdict.reason


def test_rows_that_the_incumbent_refuses_are_left_out(tmp_path):
    rows = [row | {"income": None if number < 20 else row["income"]} for number, row in enumerate(records())]
    before = write_candidate(tmp_path / "a", missing={"income": False}, bias=3.0)
    asked = case(write_candidate(tmp_path / "b", rows=rows), before)
    assert ContractGate().check(asked).passed
    verdict = QUALITY.check(asked)
    assert verdict.passed
    assert verdict.figures["common_rows"] == 180


def test_an_incumbent_that_does_not_load_is_named(tmp_path):
    asked = case(write_candidate(tmp_path / "b"))
    asked = type(asked)(**{**vars(asked), "incumbent": Incumbent(version("1"), None, "model.onnx is absent")})
    assert ContractGate().check(asked).reason.startswith("version 1 cannot be compared with (model.onnx is absent): ")
    assert not QUALITY.check(asked).passed


def test_parity_of_no_rows_is_no_parity(tmp_path):
    empty = write_candidate(tmp_path / "b", rows=records(1), keep=0)
    assert ParityGate().check(case(empty)).reason.startswith("the servable holds no held-out rows")


def test_a_threshold_that_is_no_number_passes_nothing(tmp_path):
    asked = case(write_candidate(tmp_path / "b"), write_candidate(tmp_path / "a"))
    assert not replace(QUALITY, floor=float("nan")).check(asked).passed
    assert not replace(QUALITY, tolerance=float("nan")).check(asked).passed


def test_parity_sees_rows_that_are_off(tmp_path):
    verdict = ParityGate().check(case(write_candidate(tmp_path / "b", answers_off_by=0.5)))
    assert not verdict.passed
    assert verdict.reason.startswith("200 of 200 held-out rows differ from the training framework's answers, by up to ")


@pytest.mark.parametrize(
    ("provenance", "message"),
    [
        ({"commit": None}, "trained outside a git repository with a commit"),
        ({"dirty": True}, "trained with uncommitted changes"),
        ({"dirty": None}, "trained where git could not say whether all was committed"),
        ({"lock": None}, "trained without uv.lock"),
        ({"data": "0" * 64}, "data and commit in the version's tags are not those of its contract"),
    ],
)
def test_provenance(tmp_path, provenance, message):
    verdict = ProvenanceGate().check(case(write_candidate(tmp_path / "b", provenance=provenance)))
    assert not verdict.passed
    assert verdict.reason.startswith(message)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "the run that trained it keeps no config.yaml: train again"),
        (CONFIG.replace("seed: 0", "seed: 1"), "the run's config.yaml is not the configuration of its contract: train"),
        ("seed: 0", "config: data is not set"),
    ],
)
def test_a_configuration_that_is_not_the_one_that_trained(tmp_path, config, message):
    asked = case(write_candidate(tmp_path / "b"), config=config)
    verdict = judge({"provenance": ProvenanceGate()}, asked)["provenance"]
    assert not verdict.passed
    assert verdict.reason.startswith(message)


@pytest.mark.parametrize(("major", "said"), [(None, MAJOR), (1, "(tag v2.0.0, or"), (9, "(tag v10.0.0, or")])
def test_the_major_release_that_is_next(tmp_path, major, said):
    asked = case(write_candidate(tmp_path / "b", name="flat", key=False), write_candidate(tmp_path / "a"))
    assert said in replace(asked, incumbent=replace(asked.incumbent, major=major)).major_release


@pytest.mark.parametrize("status", ["FAILED", "KILLED", "RUNNING", "absent"])
def test_a_run_that_did_not_finish(tmp_path, status):
    verdict = ProvenanceGate().check(case(write_candidate(tmp_path / "b"), run_status=status))
    assert verdict == Verdict(False, f"the run that trained it is {status}, not FINISHED: train again")


def test_quality_has_a_floor(tmp_path):
    verdict = QUALITY.check(case(write_candidate(tmp_path / "b", bias=300.0)))
    assert not verdict.passed
    assert verdict.figures["skill"] < 0
    assert verdict.reason.endswith(" is below the floor 0.1; the first to ask")


def test_quality_refuses_what_is_worse_than_the_incumbent(tmp_path):
    verdict = QUALITY.check(case(write_candidate(tmp_path / "b", bias=2.0), write_candidate(tmp_path / "a")))
    assert not verdict.passed
    assert verdict.reason.startswith("worse than the incumbent: rmse 5.")
    assert verdict.reason.endswith(" of version 1 on 200 rows")


def test_quality_allows_the_tolerance(tmp_path):
    asked = case(write_candidate(tmp_path / "b", bias=2.0), write_candidate(tmp_path / "a"))
    assert replace(QUALITY, tolerance=0.5).check(asked).passed


def test_few_rows_prove_nothing(tmp_path):
    verdict = QUALITY.check(case(write_candidate(tmp_path / "b", rows=records(49))))
    assert verdict == Verdict(False, "49 held-out rows are fewer than 50: hold out more (data.split)")


@pytest.mark.parametrize("new_major", [False, True])
def test_few_common_rows_prove_nothing(tmp_path, new_major):
    before = write_candidate(tmp_path / "a", rows=records(60), contract={"split": {"method": "column", "column": "s"}})
    verdict = QUALITY.check(case(write_candidate(tmp_path / "b", rows=records(100)[20:]), before, new_major=new_major))
    assert not verdict.passed
    assert verdict.figures["common_rows"] == 40
    assert "only 40 held-out rows are new to version 1 too and answered by it, fewer than 50: " in verdict.reason


TIMES = {"method": "time", "column": "seen at", "validation_from": "2018-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("ours", "theirs", "share"),
    [
        (SPLIT, SPLIT, 1.0),
        (SPLIT, SPLIT | {"heldout": 0.3}, 1.0),
        (SPLIT, SPLIT | {"heldout": 0.1}, 0.5),  # by name alone: half of the rows are in both
        (SPLIT, SPLIT | {"by": "id"}, 0.5),
        (SPLIT | {"by": "g", "kinds": "integer"}, SPLIT | {"by": "g", "kinds": "integer"}, 1.0),
        (SPLIT | {"by": "g", "kinds": "integer"}, SPLIT | {"by": "g", "kinds": "category"}, 0.5),
        (SPLIT, SPLIT | {"validation": 0.3}, 1.0),
        (TIMES | {"heldout_from": "2020-01-01T00:00:00Z"}, TIMES | {"heldout_from": "2019-01-01T00:00:00Z"}, 1.0),
        (TIMES | {"heldout_from": "2016-01-01T00:00:00Z"}, TIMES | {"heldout_from": "2020-09-13T12:26:40Z"}, None),
        ({"method": "column", "column": "s"}, {"method": "column", "column": "s"}, 0.5),
    ],
)
def test_rows_that_neither_was_fitted_on(tmp_path, ours, theirs, share):
    rows = records(150)
    candidate = Engine(write_candidate(tmp_path / "b", rows=rows[:100], contract={"split": ours}))
    incumbent = Engine(write_candidate(tmp_path / "a", rows=rows[50:], contract={"split": theirs}))
    mask = unseen_by_both(candidate, incumbent)
    if share is not None:
        assert mask.mean() == share
    else:  # what lies after the later one's training: 2020-09-13 is 1.6e9
        assert mask.tolist() == [row["seen at"] >= 1.6e9 for row in rows[:100]]


def test_a_key_that_repeats_does_not_stand_for_its_rows(tmp_path):
    split = {"split": {"method": "column", "column": "s"}}
    shop = [row | {"id": "store 7"} for row in records(200)]
    candidate = Engine(write_candidate(tmp_path / "b", rows=shop[:100], contract=split))
    incumbent = Engine(write_candidate(tmp_path / "a", rows=shop[90:], contract=split))
    assert unseen_by_both(candidate, incumbent).sum() == 10


class Crashing:
    def check(self, case):
        raise RuntimeError("no\nlines")


class ManyLines:
    def check(self, case):
        raise UserError("<html>\n<p>" + 1_000 * "long ")


class Raising:
    def check(self, case):
        raise UserError("one line")


def test_all_gates_run_whatever_the_first_ones_say(tmp_path):
    asked = case(write_candidate(tmp_path / "b"))
    verdicts = judge({"a": Crashing(), "b": Raising(), "c": None, "d": ContractGate()}, asked)
    assert [verdict.passed for verdict in verdicts.values()] == [False, False, True, True]
    assert verdicts["a"].reason == "the gate crashed: RuntimeError('no\\nlines')"
    assert "\n" not in judge({"x": ManyLines()}, asked)["x"].reason
    assert verdicts["b"].reason == "one line"
    assert verdicts["c"] is OFF


def test_the_report_says_it_all(tmp_path):
    verdicts = {"x": Verdict(True, "fine", {"rows": 3.0}), "y": Verdict(False, "a | b"), "z": OFF}
    report = Report("m", "2", "prod", "1", "CI", "2026-01-01T00:00:00+00:00", verdicts)
    paths = report.write(tmp_path)
    assert [path.name for path in paths] == ["prod.json", "prod.md"]
    document = json.loads(paths[0].read_text())
    assert document == {
        "model": "m", "version": "2", "to": "prod", "incumbent": "1", "by": "CI", "at": "2026-01-01T00:00:00+00:00",
        "passed": False,
        "gates": [
            {"gate": "x", "verdict": "passed", "reason": "fine", "figures": {"rows": 3.0}},
            {"gate": "y", "verdict": "refused", "reason": "a | b", "figures": {}},
            {"gate": "z", "verdict": "off", "reason": "switched off in the configuration", "figures": {}},
        ],
    }  # fmt: skip
    page = paths[1].read_text()
    assert page.startswith("# m version 2 to prod: refused\n")
    assert "| y | refused | a \\| b |" in page
    assert page.endswith("\n\n## x\n\nrows 3\n")
    assert report.refusals == {"y": "a | b"}
    assert report.table() == "passed   x  fine\nrefused  y  a | b\noff      z  switched off in the configuration"


def test_figures_that_are_no_numbers_are_null_in_json(tmp_path):
    verdicts = {"x": Verdict(True, "fine", {"a": float("inf"), "b": {"c": float("nan"), "d": 1.0}})}
    json_file, _ = Report("m", "2", "prod", "1", "CI", "2026-01-01T00:00:00+00:00", verdicts).write(tmp_path)

    def no_json(name):
        raise AssertionError(name)

    (gate,) = json.loads(json_file.read_text(), parse_constant=no_json)["gates"]
    assert gate["figures"] == {"a": None, "b": {"c": None, "d": 1.0}}


def test_figures_in_groups_are_tables(tmp_path):
    old, small = {"rows": 60.0, "low": -0.5}, {"rows": 2.0}
    figures = {"quality": {"skill": 0.5, "slices": {"old | older": old, "small": small}},
               "latency": {"row_ms": {"candidate": 0.123456789}}, "parity": {}}  # fmt: skip
    verdicts = {gate: Verdict(True, "fine", found) for gate, found in figures.items()}
    report = Report("m", "2", "prod", None, "CI", "2026-01-01T00:00:00+00:00", verdicts)
    json_file, page = report.write(tmp_path)
    assert {gate["gate"]: gate["figures"] for gate in json.loads(json_file.read_text())["gates"]} == figures
    assert page.read_text().partition("| parity | passed | fine |\n")[2] == (
        "\n## quality\n\nskill 0.5\n\n## quality: slices\n\n"
        "|  | rows | low |\n| --- | --- | --- |\n| old \\| older | 60 | -0.5 |\n| small | 2 | – |\n"
        "\n## latency\n\n|  | candidate |\n| --- | --- |\n| row_ms | 0.12346 |\n"
    )
