"""Whatever a table holds: `schema` refuses it in one line, or writes what `prepare` takes."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from {{ cookiecutter.project_slug }}.data.prepare import prepare
from {{ cookiecutter.project_slug }}.data.splits import assign
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.config import TrainConfig, validate

from tests.project import composed, make_project
from tests.tables_of_users import describe

ODD = [
    "", " ", "NA", "?", "-", "unknown", "true", "FALSE", "yes", "0", "1", "01", "-0", "+5", "5.", ".5", "1e3", "1e999",
    "inf", "nan", "12,5", "1,000", "1.000,5", "$5", "5 kg", "7%", "2020-01-31", "2020-13-01", "0000-01-01", "31/12/2020", "20200131",
    "2020-02-29T23:59:59+01:00", "9007199254740993", "1600000000", "größe", "a,b", "x=y", '"q"', "line\nbreak", "☂", "${x}", "???",
    "\u00a05", "5\u00a0", "\x00", "1_000", "٣",
]  # fmt: skip
CELLS = [
    st.sampled_from(ODD),
    st.integers(0, 3).map(str),
    st.integers(-(2**70), 2**70).map(str),
    st.floats(allow_nan=True, allow_infinity=True).map(str),
    st.floats(-1e6, 1e6).map(lambda number: f"{number:.3f}"),
    st.dates().map(str),
    st.datetimes().map(str),
    st.uuids().map(str),
    st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=6),
]
NAMES = st.one_of(
    st.sampled_from(
        ["id", "patient_id", "date", "timestamp", "zip", "y_prediction", "a.b", "a=b", "no", "1e3", "created_at"]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00"), min_size=1, max_size=8),
)


@st.composite
def columns(draw: st.DrawFn, rows: int) -> list[str]:
    """Cells of one or two kinds, the second seldom."""
    first, second = draw(st.sampled_from(CELLS)), draw(st.sampled_from(CELLS))
    share = draw(st.sampled_from([0, 0, 1, 20]))
    cells = draw(st.lists(first, min_size=min(rows, 25), max_size=rows))
    cells = (cells * (rows // len(cells) + 1))[:rows]
    rare = draw(st.lists(second, min_size=share, max_size=share))
    return [*rare, *cells][:rows]


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Tables of 60 to 90 rows with up to five columns, one of which is `y`, most often one that can be a target."""
    rows = draw(st.integers(60, 90))
    names = draw(st.lists(NAMES.filter(lambda name: name != "y"), min_size=1, max_size=4, unique=True))
    frame = pd.DataFrame({name: draw(columns(rows)) for name in names})
    target = draw(st.sampled_from(["numbers", "classes", "gaps", "anything"]))
    plain = {
        "numbers": [f"{row * row % 31}.5" for row in range(rows)],
        "classes": ["ab"[row * row % 3] for row in range(rows)],
        "gaps": [str(row * row % 31) if row % 11 else "" for row in range(rows)],
    }
    return frame.assign(y=plain.get(target) or draw(columns(rows)))


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(make_project(tmp_path))
    return tmp_path


def check(frame: pd.DataFrame, suffix: str) -> str:
    """Describe a table and prepare it, in a folder of its own; returns the refusal, or nothing."""
    with TemporaryDirectory(dir=".") as folder:
        path = Path(folder) / f"own{suffix}"
        frame.to_parquet(path) if suffix == ".parquet" else frame.to_csv(path, index=False)
        written = [Path("config", group, "own.yaml") for group in ("data", "experiment")]
        try:
            try:
                describe(path, "y", "own")
            except UserError as error:
                assert not any(file.exists() for file in written)
                return str(error)
            config = validate(TrainConfig, composed("train", "experiment=own")).data
            table = prepare(config)
            assert set(assign(table, config)) == {"train", "validation", "heldout"}
            return ""
        finally:
            for file in written:
                file.unlink(missing_ok=True)
            for left in ("raw", "processed"):
                shutil.rmtree(Path("data", left), ignore_errors=True)


@given(frame=tables(), suffix=st.sampled_from([".csv", ".parquet"]))
@example(frame=pd.DataFrame({"x": ["1", "2", "?"] * 30, "y": [str(v) for v in range(90)]}), suffix=".csv")
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink a table takes minutes
)
def test_any_table_is_refused_in_one_line_or_prepared(project, frame, suffix):
    refusal = check(frame, suffix)
    assert "\n" not in refusal


def test_a_tidy_table_is_not_refused(project):
    """The property above would hold of a verb that refuses everything."""
    frame = pd.DataFrame(
        {"x": [f"{v % 7}.5" for v in range(60)], "c": ["a", "b"] * 30, "y": [str(v) for v in range(60)]}
    )
    assert check(frame, ".csv") == check(frame, ".parquet") == ""
