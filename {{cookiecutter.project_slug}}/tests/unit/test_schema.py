"""`schema` writes two files that are right as they are, or none and one line."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from {{ cookiecutter.project_slug }}.data.prepare import prepare
from {{ cookiecutter.project_slug }}.data.splits import assign
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.config import TrainConfig, validate
from {{ cookiecutter.project_slug }}.utils.files import write_new

from tests.project import PACKAGE, composed, environment_of, make_project, run_verb
from tests.tables_of_users import ROWS, describe, messy, numbers

DATA, EXPERIMENT = Path("config/data/own.yaml"), Path("config/experiment/own.yaml")


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(make_project(tmp_path))
    return tmp_path


@pytest.fixture
def tidy():
    """Three related numbers and a target."""
    x = numbers(3 * ROWS).reshape(ROWS, 3)
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": (x[:, 0] + x[:, 1] + x[:, 2]).round(3)})


def write(frame: pd.DataFrame, path: str = "own.csv") -> Path:
    frame.to_parquet(path) if path.endswith(".parquet") else frame.to_csv(path, index=False)
    return Path(path)


def config_of(*overrides: str) -> TrainConfig:
    """What `train experiment=own` is told."""
    return validate(TrainConfig, composed("train", "experiment=own", *overrides))


def left(folder: Path) -> list[Path]:
    """The files in `config/` that were not there before."""
    return sorted(path for path in (folder / "config").rglob("*own*"))


@pytest.mark.parametrize("path", ["own.csv", "own.parquet"])
def test_two_files_that_prepare_takes(project, tidy, path, capsys):
    frame = messy(tidy, "y")
    frame.loc[:9, "y"] = np.nan
    if path.endswith(".parquet"):
        frame["a"] = frame["a"].astype(str)
    found = describe(write(frame, path), "y", "own")
    written = yaml.safe_load(DATA.read_text(encoding="utf-8"))
    assert written["drop_missing_target"] is True
    assert written["missing_tokens"][-1] == "?"
    assert {name: (c["kind"], c.get("role"), c.get("missing")) for name, c in written["columns"].items()} == {
        "a": ("number", None, True),
        "b": ("number", None, True),
        "y": ("number", None, None),
        "sample_id": ("category", "key", None),
        "measured on": ("time", "time", None),
        "lab=code": ("category", None, None),
        "unit.of.measure": ("category", "ignored", None),
        'größe "neu"': ("integer", None, None),
    }
    experiment = yaml.safe_load(EXPERIMENT.read_text(encoding="utf-8"))
    assert experiment["description"] == f"y of {path}"
    assert experiment["mlflow"] == {"experiment": "own", "model": "own"}
    config = config_of()
    assert config.model["regressor"]["_target_"] == "sklearn.linear_model.Ridge"
    table = prepare(config.data)
    assert len(table) == ROWS - 10 == found.trainable
    assert set(assign(table, config.data)) == {"train", "validation", "heldout"}
    printed = capsys.readouterr().out
    assert f"{path}: 400 rows, 8 columns; regression of 'y'" in printed
    assert "10 rows have no target and are left out of training" in printed
    assert 'make train ARGS="experiment=own"' in printed


def test_every_column_says_what_was_guessed_and_why(project, tidy, capsys):
    found = describe(write(messy(tidy, "y")), "y", "own")
    printed = capsys.readouterr().out
    lines = DATA.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# y of own.csv: 400 rows, 8 columns."
    for column in found.columns:
        (line,) = [line for line in lines if line.endswith(f"# guessed: {column.why}") and "kind: " in line]
        assert yaml.safe_load(line) == {column.name: yaml.safe_load(line)[column.name]}
        assert column.why in printed
        assert not column.look or f"{column.name}: {column.look}" in printed
    assert sum(line.strip().startswith("# look: ") for line in lines) == sum(bool(c.look) for c in found.columns) > 0
    assert max(map(len, lines[:8])) <= 120


def test_a_column_that_cannot_be_in_the_configuration_is_a_comment(project, tidy):
    describe(write(tidy.assign(y_prediction=1.5)), "y", "own")
    text = DATA.read_text(encoding="utf-8")
    assert "  # guessed: 'y_prediction' is left out: a column cannot have this name\n" in text
    assert "y_prediction" not in config_of().data.columns


def test_the_split_by_time_is_there_to_be_uncommented(project, tidy):
    describe(write(messy(tidy, "y")), "y", "own")
    lines = DATA.read_text(encoding="utf-8").splitlines()
    start = lines.index("# split:")
    lines[start:] = [line.removeprefix("# ") for line in lines[start:]]
    DATA.write_text("\n".join(lines), encoding="utf-8")
    config = config_of()
    sides = assign(prepare(config.data), config.data)
    assert (sides == "heldout").mean() == pytest.approx(0.2, abs=0.01)
    assert (sides == "train").mean() == pytest.approx(0.7, abs=0.01)


def test_rows_of_a_group_stay_together(project, tidy):
    person = np.arange(ROWS) % 100
    describe(write(tidy.assign(person_id=person, visit_id=np.arange(ROWS)[::-1])), "y", "own")
    config = config_of()
    assert config.data.split.by == ("person_id",)
    table = prepare(config.data)
    sides = pd.Series(assign(table, config.data)).groupby(table.columns["person_id"][:, 0]).nunique()
    assert len(sides) == 100
    assert sides.max() == 1


NAMES = [
    "a=b", "größe", 'say "x"', "it's", "a.b", "no", "null", "1e3", "2020", "2020-01-01", "0x1f", "~", "a: b", "# a",
    "a #b", "{a}", "- a", "☂", "tab\there", "new\nline", " space ", "back\\slash", "${x}", "???", "_target_", "[1]", "%",
    "true", "*x", "&x", "!x", "|", ">", "@x", "`x`", "nan", ".inf", "a" * 300, "\u2028", "\x85",
]  # fmt: skip


@pytest.mark.parametrize("path", ["own.csv", "own.parquet"])
def test_any_name_of_a_column_is_yaml(project, path):
    frame = pd.DataFrame({name: numbers(seed=seed) for seed, name in enumerate(NAMES)} | {"y": numbers(seed=999)})
    describe(write(frame, path), "y", "own")
    assert list(yaml.safe_load(DATA.read_text(encoding="utf-8"))["columns"]) == [*NAMES, "y"]
    config = config_of()
    assert list(config.data.columns) == [*NAMES, "y"]
    table = prepare(config.data)
    np.testing.assert_array_equal(table.columns["no"][:, 0], frame["no"])


@pytest.mark.parametrize("target", ["größe", "a.b", 'say "x"', "no", "1e3", "a: b"])
def test_any_name_of_a_target_is_yaml(project, tidy, target):
    describe(write(tidy.rename(columns={"y": target})), f'"{target}"' if '"' not in target else f"'{target}'", "own")
    config = config_of()
    assert config.data.target == target
    assert len(prepare(config.data)) == ROWS


def test_larger_tables_get_another_model(project):
    x = numbers(2 * 2000).reshape(2000, 2)
    frame = pd.DataFrame({"a": x[:, 0], "y": x.sum(axis=1)})
    describe(write(frame), "y", "own")
    assert "lightgbm" in config_of().model["regressor"]["_target_"]
    describe(write(frame.head(1999)), "y", "own2")
    assert "override /model: linear " in Path("config/experiment/own2.yaml").read_text()


def test_a_side_that_would_be_empty_gets_more_rows(project):
    """By the usual shares no team is on one of the sides."""
    teams = np.repeat([f"b{number}" for number in range(10)], 12)
    frame = pd.DataFrame({"team_id": teams, "x": numbers(120), "y": numbers(120, seed=1)})
    describe(write(frame), "y", "own", "few=9")
    config = config_of()
    assert (config.data.split.validation, config.data.split.heldout) == (0.15, 0.25)
    assert set(assign(prepare(config.data), config.data)) == {"train", "validation", "heldout"}
    usual = config_of("data.split.validation=0.1", "data.split.heldout=0.2")
    with pytest.raises(UserError, match=r"no row of 120 is on the side 'validation'"):
        assign(prepare(usual.data), usual.data)


def test_rows_that_are_all_alike_cannot_be_split(project):
    frame = pd.DataFrame({"a": [1, 2] * 30, "y": numbers(60)})
    with pytest.raises(
        UserError, match=r"^own\.csv cannot be split: by its inputs, its rows are too few or too much alike$"
    ):
        describe(write(frame), "y", "own")
    assert left(project) == []


REFUSALS = [
    (["path=absent.csv"], "there is no file absent.csv"),
    (["path=empty.csv"], "cannot read empty.csv: it is empty"),
    (["path=own.xlsx"], "own.xlsx is neither .csv nor .parquet: save the table as one of them"),
    (["path=one.csv", "target=y"], "one.csv has one column, 'y': nothing is left to predict it from"),
    (["path=few.csv"], "the target 'y' has a value in 49 of 49 rows: it takes 50 (least_rows)"),
    (["path=twice.csv"], "twice.csv has two columns named 'a': rename one"),
    (["target=Y"], "own.csv has no column 'Y'; did you mean 'y'?"),
    (["name=base"], "config: name: 'base' cannot be a name: begin with a letter, go on with letters, digits, - and _"),
    (["name=a/b"], "config: name: 'a/b' cannot be a name: begin with a letter, go on with letters, digits, - and _"),
    (["name=2020"], "config: name: Input should be a valid string, not 2020"),
    (["name=diabetes"], "config/data/diabetes.yaml is there already: nothing is overwritten; choose another name, or delete it"),
    (["task=clustering"], "config: task: Input should be 'regression' or 'classification', not 'clustering'"),
    (["least_row=5"], "there is no key 'least_row' to override; did you mean least_rows?"),
    (["~name", "+name=???"], "config: name is not set"),
]  # fmt: skip


@pytest.mark.parametrize(("overrides", "line"), REFUSALS)
def test_refused_in_one_line(project, tidy, overrides, line):
    write(tidy)
    write(tidy.head(49), "few.csv")
    write(tidy[["y"]], "one.csv")
    Path("empty.csv").touch()
    Path("own.xlsx").write_bytes(b"PK\x03\x04")
    Path("twice.csv").write_text("a,a,y\n1,2,3\n")
    given = {"path": "path=own.csv", "target": "target=y", "name": "name=own"}
    given |= {override.partition("=")[0]: override for override in overrides}
    with pytest.raises(UserError) as caught:
        from_overrides(*given.values())
    assert str(caught.value) == line
    assert left(project) == []


def from_overrides(*overrides: str) -> None:
    from {{ cookiecutter.project_slug }}.cli.schema import schema

    schema(composed("schema", *overrides))


@pytest.mark.parametrize("group", ["data", "experiment"])
def test_nothing_is_overwritten(project, tidy, group):
    there = Path("config", group, "own.yaml")
    there.write_text("mine: true\n")
    with pytest.raises(UserError, match=rf"^config/{group}/own\.yaml is there already: nothing is overwritten"):
        describe(write(tidy), "y", "own")
    assert there.read_text() == "mine: true\n"
    assert [path.relative_to(project) for path in left(project)] == [there]


def test_a_file_that_appears_meanwhile_stays_and_the_other_is_taken_back(tmp_path):
    first, second = tmp_path / "data/own.yaml", tmp_path / "experiment/own.yaml"
    second.parent.mkdir()
    second.write_text("mine")
    with pytest.raises(UserError, match=r"experiment/own\.yaml is there already"):
        write_new({first: "a", second: "b"})
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [second]
    assert second.read_text() == "mine"


def test_an_interruption_between_the_files_leaves_none(tmp_path, monkeypatch):
    link = Path.hardlink_to

    def interrupted(path: Path, target: Path) -> None:
        if path.parent.name == "experiment":
            raise KeyboardInterrupt
        link(path, target)

    monkeypatch.setattr(Path, "hardlink_to", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_new({tmp_path / "data/own.yaml": "a", tmp_path / "experiment/own.yaml": "b"})
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.slow
def test_of_two_at_once_one_writes_and_the_other_says_so(project, tidy):
    write(tidy)
    command = [sys.executable, "-m", f"{PACKAGE}.cli.schema", "path=own.csv", "target=y", "name=own"]
    both = [
        subprocess.Popen(
            command, cwd=project, env=environment_of(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    errors = [process.communicate(timeout=120)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 1], errors
    (line,) = "".join(errors).splitlines()
    assert line.startswith("error: config/")
    assert "is there already: nothing is overwritten" in line
    assert config_of().data.target == "y"
    assert left(project) == [project / DATA, project / EXPERIMENT]


@pytest.mark.slow
def test_the_verb_as_a_process_leaves_the_two_files_alone(project, tidy):
    write(tidy)
    done = run_verb(project, "schema", "path=own.csv", "target=z", "name=own")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: own.csv has no column 'z'; it has 'a', 'b', 'y'\n"
    before = set(project.rglob("*"))
    done = run_verb(project, "schema", "path=own.csv", "target=y", "name=own")
    assert (done.returncode, done.stderr) == (0, "")
    assert set(project.rglob("*")) - before == {project / DATA, project / EXPERIMENT}
