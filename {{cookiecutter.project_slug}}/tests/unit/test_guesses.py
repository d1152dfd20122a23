"""What `schema` makes of columns, one by one: role, kind and the reason that it gives."""

import uuid

import numpy as np
import pyarrow as pa
import pytest

from {{ cookiecutter.project_slug }}.data.inspection import inspect

from tests.project import ROOT
from tests.tables_of_users import ROWS, guessed, inspected, limits, numbers

DRAW = np.random.default_rng(3)
PICKED = DRAW.integers(0, 1000, ROWS)
DAYS = np.datetime64("2020-01-01") + PICKED


@pytest.fixture(autouse=True)
def in_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def dates(style: str) -> list[str]:
    return [day.strftime(style) for day in DAYS.astype(object)]


@pytest.mark.parametrize(
    ("name", "cells", "role", "kind", "why"),
    [
        ("c", numbers(), "feature", "number", "numbers, -"),
        ("c", PICKED, "feature", "integer", "whole numbers, "),
        ("rating", PICKED % 5, "feature", "integer", "if they are codes, make the kind category"),
        ("c", [f"{v}.0" for v in PICKED], "feature", "number", "numbers, "),
        ("c", [f" {v} " for v in PICKED], "feature", "integer", "whole numbers, "),
        ("c", [f"+{v}." for v in PICKED], "feature", "number", "numbers, "),
        ("c", PICKED % 2, "feature", "boolean", "0 and 1"),
        ("c", [["true", "False"][v % 2] for v in PICKED], "feature", "boolean", "true or false"),
        ("c", [["yes", "no"][v % 2] for v in PICKED], "feature", "category", "2 levels"),
        ("c", [f"{v % 40:02d}" for v in PICKED], "feature", "category", "codes: the zero of '0"),
        ("c", [f"{v:05d}" for v in range(ROWS)], "key", "category", "codes: the zero of '00000' (row 0)"),
        ("zip", [10000 + v % 30 for v in PICKED], "feature", "category", "codes by their name"),
        ("c", [["red", "green", "blü"][v % 3] for v in PICKED], "feature", "category", "texts, 3 levels"),
        ("c", [f"level {v % 70}" for v in range(ROWS)], "feature", "category", "linear models see the most frequent"),
        ("c", [f"level {v % 90}" for v in PICKED], "ignored", "category", "levels in 400 rows are too many"),
        ("c", [f"A-{v}" for v in DRAW.permutation(ROWS)], "key", "category", "a text of its own in each of 400 rows"),
        ("PassengerId", DRAW.permutation(5 * ROWS)[:ROWS], "key", "category", "an identifier by its name; all 400"),
        ("Unnamed: 0", range(ROWS), "key", "category", "numbers of the rows, 0 to 399"),
        ("year", range(1600, 2000), "key", "category", "numbers of the rows, 1600 to 1999"),
        ("population", DRAW.permutation(5 * ROWS)[:ROWS], "feature", "integer", "whole numbers"),
        ("c", 2**60 + np.arange(ROWS)[::-1], "key", "category", "beyond 2^53"),
        ("c", [str(uuid.UUID(int=v**9)) for v in range(1, ROWS + 1)], "key", "category", "UUIDs; all 400 differ"),
        ("patient_id", PICKED % 100, "key", "category", "an identifier by its name; "),
        ("heat_index", PICKED % 100, "feature", "integer", "whole numbers"),
        ("invoiceNo", DRAW.permutation(5 * ROWS)[:ROWS], "key", "category", "an identifier by its name; all 400"),
        ("shopID", PICKED % 7, "feature", "category", "an identifier by its name, 7 levels"),
        ("c", DAYS, "time", "time", "times in ISO 8601; taken for when the row happened"),
        ("date of birth", DAYS, "feature", "time", "times in ISO 8601"),
        ("c", [f"{day}T10:00:00+02:00" for day in DAYS], "time", "time", "times in ISO 8601"),
        ("timestamp", 1_600_000_000 + PICKED, "time", "time", "seconds since 1970"),
        ("timestamp", (1_600_000_000 + PICKED) * 1000, "ignored", "category", "thousandths of a second"),
        ("c", dates("%d/%m/%Y"), "ignored", "category", "dates that are not ISO 8601, as '"),
        ("c", dates("%Y%m%d"), "ignored", "category", "dates that are not ISO 8601, as '20"),
        ("c", dates("%d. %B %Y"), "ignored", "category", "dates that are not ISO 8601"),
        ("c", dates("%Y-%m"), "ignored", "category", "dates that are not ISO 8601"),
        ("c", [f"1,{v % 900 + 100},000" for v in PICKED], "ignored", "category", "numbers with thousands separators"),
        ("c", [f"1,{v % 900 + 100}" for v in PICKED], "ignored", "category", "as thousands separators or decimal ones"),
        ("c", [f"{v},5" for v in PICKED], "ignored", "category", "numbers with a decimal comma, as '"),
        ("c", [f"1.{v + 100:03d},25" for v in PICKED % 900], "ignored", "category", "numbers with a decimal comma"),
        ("c", [f"{v % 100}%" for v in PICKED], "ignored", "category", "numbers with '%', as '"),
        ("c", [f"${v}" for v in PICKED], "ignored", "category", "numbers with '$'"),
        ("c", [f"{v} kg" for v in PICKED], "ignored", "category", "numbers with 'kg'"),
        ("c", [f"{v % 5} stars" for v in PICKED], "feature", "category", "texts, 5 levels"),
        ("c", [""] * ROWS, "ignored", "category", "holds nothing"),
        ("c", ["NA"] * ROWS, "ignored", "category", "holds nothing"),
        ("c", ["mm"] * ROWS, "ignored", "category", "holds 'mm' in all 400 rows"),
        ("c", ["seen", ""] * (ROWS // 2), "feature", "category", "200 of 400 rows have none"),
        ("c", [f"It rained on day {v}, and more." for v in range(ROWS)], "ignored", "category", "free text, 7 words"),
        ("c", [v if v % 9 else f"about {v}" for v in PICKED], "ignored", "category", "numbers, but for "),
    ],
)  # fmt: skip
def test_a_column(name, cells, role, kind, why):
    found = guessed(cells, name)
    assert (found.role, found.kind) == (role, kind), found.why
    assert why in found.why


@pytest.mark.parametrize("mark", ["?", "-", "unknown", "n.a.", "inf", "so what"])
def test_the_odd_text_among_numbers_is_a_gap(mark):
    cells = [mark if v % 10 == 0 else v / 7 for v in PICKED]
    count = int((PICKED % 10 == 0).sum())
    found = inspected({"c": cells, "d": ["a", mark] * (ROWS // 2)})
    by_name = {column.name: column for column in found.columns}
    assert found.marks == (mark,)
    assert (by_name["c"].kind, by_name["c"].missing) == ("number", True)
    assert f"{mark!r} in {count} rows means a gap" in by_name["c"].why
    assert f"{mark!r} in 200 rows means a gap" in by_name["d"].why
    assert by_name["d"].missing


def test_the_odd_text_among_times_is_a_gap():
    found = inspected({"seen": ["unknown" if v % 5 == 0 else day for v, day in zip(PICKED, DAYS, strict=True)]})
    assert found.marks == ("unknown",)
    assert (found.columns[1].role, found.columns[1].kind, found.columns[1].missing) == ("feature", "time", True)


def test_an_odd_text_that_is_a_class_of_the_target_stays_one():
    found = inspected({"c": ["?" if v % 9 == 0 else v for v in PICKED], "y": ["a", "?"] * (ROWS // 2)})
    assert found.marks == ()
    assert found.columns[1].role == "ignored"
    assert found.columns[1].look.startswith("row ")
    assert set(found.target.classes) == {"a", "?"}


@pytest.mark.parametrize("mark", ["???", "${x}"])
def test_an_odd_text_that_the_configuration_could_not_say(mark):
    found = inspected({"c": [mark if v % 9 == 0 else v for v in PICKED]})
    assert found.marks == ()
    assert found.columns[1].role == "ignored"


def test_two_odd_texts_are_named_and_decided_by_nobody():
    cells = ["?" if v % 9 == 0 else "none so far" if v % 9 == 1 else v for v in PICKED]
    found = guessed(cells)
    row = next(row for row, cell in enumerate(cells) if isinstance(cell, str))
    assert (found.role, f"row {row} holds {cells[row]!r}" in found.look) == ("ignored", True)


def test_a_gap_among_numbers_that_is_a_level_elsewhere_is_named():
    cells = {
        "a": ["none" if v % 20 == 0 else f"{v}.5" for v in PICKED],
        "b": [["none", "mild", "severe"][v % 3] for v in PICKED],
    }
    found = next(column for column in inspected(cells).columns if column.name == "b")
    assert (found.kind, found.missing) == ("category", True)
    assert "'none' is a gap here because it is one in a column of numbers" in found.look


def test_one_time_says_when_a_row_happened_and_the_others_are_inputs():
    found = inspected({"expiry": DAYS + 9, "created_at": DAYS, "seen": DAYS + 3})
    assert [(c.name, c.role) for c in found.columns if c.kind == "time"] == [
        ("expiry", "feature"), ("created_at", "time"), ("seen", "feature"),
    ]  # fmt: skip
    early, late = found.moments
    stamps = np.sort(DAYS)
    assert early == f"{stamps[int(0.7 * 399)]}T00:00:00+00:00"
    assert late == f"{stamps[int(0.8 * 399)]}T00:00:00+00:00"


def test_a_time_that_is_all_there_is_stays_an_input():
    table = pa.table({"day": [str(day) for day in DAYS], "y": [str(v) for v in numbers()]})
    assert inspect(table, limits()).columns[0].role == "feature"


def test_the_group_of_most_levels_is_kept_together():
    found = inspected({"hospital_id": PICKED % 60, "patient_id": PICKED % 150, "visit_id": range(ROWS)})
    roles = {column.name: (column.role, column.group) for column in found.columns}
    assert roles["hospital_id"] == ("key", False)
    assert roles["patient_id"] == ("key", True)
    assert roles["visit_id"] == ("key", False)
    assert "split.by" in next(c.look for c in found.columns if c.name == "patient_id")


def test_gaps_that_give_a_class_away():
    """The lifeboat of a passenger is known of those who were saved."""
    saved = PICKED % 2
    boat = [f"{v % 90 + 1}" if there else "" for v, there in zip(DRAW.permutation(ROWS), saved, strict=True)]
    found = inspected({"boat": boat, "y": saved}).columns[1]
    assert (found.role, found.why) == ("ignored", "a leak: alone predicts 99.75% of the classes")


def test_an_identifier_with_gaps_is_no_key_and_a_group_says_what_they_do():
    cabin = [f"C{v}" if v % 4 else "" for v in range(ROWS)]
    person = [v % 100 if v % 50 else "" for v in PICKED]
    found = {column.name: column for column in inspected({"cabin": cabin, "person_id": person}).columns}
    assert (found["cabin"].role, found["cabin"].look) == ("ignored", "fill its gaps, if it is to identify the rows")
    assert (found["person_id"].role, found["person_id"].group) == ("key", True)
    assert found["person_id"].look.startswith(f"the {person.count('')} rows without one lie on one side of the split")


@pytest.mark.parametrize("name", ["y_prediction", "y_probabilities", "", "servable/x"])
def test_names_that_a_column_cannot_have(name):
    found = guessed(numbers(), name)
    assert found.left_out
    assert found.why == "a column cannot have this name"


def test_types_of_parquet():
    table = pa.table(
        {
            "whole": pa.array(PICKED),
            "small": pa.array(PICKED.astype(np.float16)),
            "gaps": pa.array(np.where(PICKED % 7 == 0, np.nan, PICKED / 7)),
            "nulls": pa.array([None if v % 7 == 0 else int(v) for v in PICKED]),
            "infinite": pa.array(np.where(np.arange(ROWS) == 5, np.inf, PICKED)),
            "flag": pa.array(PICKED % 2 == 0),
            "day": pa.array(DAYS),
            "moment": pa.array(DAYS.astype("datetime64[us]"), pa.timestamp("us", "Europe/Berlin")),
            "words": pa.array([["a", "b", None][v % 3] for v in PICKED]).dictionary_encode(),
            "texts": pa.array([str(v / 7) for v in PICKED], pa.large_string()),
            "money": pa.array([int(v) for v in PICKED]).cast(pa.decimal128(30, 2)),
            "big": pa.array(np.arange(ROWS, dtype=np.uint64) + np.uint64(2**63)),
            "list": pa.array([[1, 2]] * ROWS),
            "nothing": pa.nulls(ROWS),
            "y": pa.array(numbers()),
        }
    )
    found = {c.name: c for c in inspect(table, limits(path="own.parquet")).columns}
    assert {name: (c.role, c.kind, c.missing) for name, c in found.items() if not c.left_out} == {
        "whole": ("feature", "integer", False),
        "small": ("feature", "number", False),
        "gaps": ("feature", "number", True),
        "nulls": ("feature", "integer", True),
        "flag": ("feature", "boolean", False),
        "day": ("time", "time", False),
        "moment": ("feature", "time", False),
        "words": ("feature", "category", True),
        "texts": ("feature", "number", False),
        "money": ("feature", "number", False),
        "big": ("key", "category", False),
        "nothing": ("ignored", "category", True),
        "y": ("feature", "number", False),
    }
    assert found["texts"].why.startswith("numbers stored as text, ")
    assert found["infinite"].why == "holds an infinite number, in row 5"
    assert found["list"].why.startswith("holds list<")
