"""A table whose description does not fit together is refused in one line."""

import pytest

from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.config import TrainConfig, validate
from {{ cookiecutter.project_slug }}.utils.verb import compose

from tests.project import ROOT

CELLS = "++data.feature_tables={cells: {entity: [{column: age, grid: 10}], columns: {cell_bmi: {of: bmi}}}}"


@pytest.fixture(autouse=True)
def in_root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.source=null"], "there is no source: set data.path to a CSV or Parquet file, or data.source"),
        (["+data.columns.sex.min=1"], "columns.sex is a category: it has values, not min and max"),
        (["+data.columns.progression.role=key"], "the target 'progression' has the role key: remove the role, or name another target"),
        (["++data.split={method: column, column: sex}"], "split.column: 'sex' must be {kind: category, role: ignored}, or models see it"),
        (["++data.split={method: time, column: sex, validation_from: 2020-01-01, heldout_from: 2021-01-01}"], "split.column: 'sex' must be of kind time"),
        ([CELLS.replace("column: age", "column: sex")], "feature_tables.cells: 'sex' is a category, of which there is no grid"),
        ([CELLS.replace("of: bmi", "of: nope")], "feature_tables.cells.columns names 'nope', which is not among data.columns"),
        ([CELLS.replace("cell_bmi", "bmi")], "feature_tables.cells.columns: 'bmi' is taken: give it another name"),
        ([CELLS.replace("cell_bmi", "entity")], "feature_tables.cells.columns: 'entity' is taken: give it another name"),
        ([CELLS.replace("cells:", "a/b:")], "feature_tables.a/b: a table's name holds letters, digits, - and _ alone"),
        ([CELLS.replace("columns:", "time: age, columns:")], "feature_tables.cells.time: 'age' must be of kind time"),
        ([CELLS, "+data.columns.age.role=ignored"], "feature_tables.cells is looked up by 'age': make it a feature or a key"),
        (["data.columns={progression: {kind: number}}"], None),
    ],
)  # fmt: skip
def test_refused(overrides, message):
    if message is None:  # Hydra merges mappings: leave columns out one by one
        names = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")
        overrides, message = [f"~data.columns.{name}" for name in names], "columns has no feature besides the target"
    with pytest.raises(UserError) as caught:
        validate(TrainConfig, compose("train", overrides))
    assert str(caught.value) == f"config: data: {message}"


def test_a_feature_table_that_fits_is_taken():
    assert validate(TrainConfig, compose("train", [CELLS])).data.feature_tables["cells"].entity[0].grid == 10


def test_a_resume_that_the_model_would_ignore_is_refused():
    with pytest.raises(UserError, match=r"^config: trainer\.resume is set, and this model is not trained by Lightning"):
        validate(TrainConfig, compose("train", ["model=lightgbm", "trainer.resume=last.ckpt"]))
