"""A mistake in the configuration is one line, before anything heavy is imported."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.config import (
    CrossValidationConfig,
    PredictConfig,
    ServeConfig,
    TrainConfig,
    validate,
)
from {{ cookiecutter.project_slug }}.utils.verb import compose

from tests.project import check_cleared

ROOT = Path(__file__).parents[2]
PACKAGE = compose.__module__.split(".")[0]
EXPERIMENTS = sorted(path.stem for path in (ROOT / "config/experiment").glob("*.yaml"))
MODELS = sorted(path.stem for path in (ROOT / "config/model").glob("*.yaml"))


@pytest.fixture(autouse=True)
def in_root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_composes_and_says_what_it_is(experiment):
    config = validate(TrainConfig, compose("train", [f"experiment={experiment}"]))
    assert config.description
    assert config.data.target in config.data.columns


@pytest.mark.parametrize("model", MODELS)
def test_every_model_composes_with_the_front_end_of_its_kind(model):
    config = validate(TrainConfig, compose("train", [f"model={model}"]))
    by_model = {"mlp": ("median", "codes"), "linear": ("median", "onehot")}
    assert (config.features.impute, config.features.categories) == by_model.get(model, ("none", "codes"))


def test_an_experiment_names_its_own_model_and_experiment():
    config = validate(TrainConfig, compose("train", ["experiment=breast_cancer"]))
    assert (config.mlflow.model, config.mlflow.experiment, config.data.task) == (
        "breast_cancer",
        "breast_cancer",
        "classification",
    )


@pytest.mark.parametrize(
    "name", ["lifecycle", "git.commit", "data.sha256", "test/rmse", "prod.before", "release.prod", "mlflow.user"]
)
def test_a_tag_that_the_project_writes_itself_is_refused(name):
    message = f"config: mlflow.tags: the project itself writes the tag {name!r}: choose another name"
    with pytest.raises(UserError) as refused:
        validate(TrainConfig, compose("train", ["+mlflow.tags={" + name + ": mine}"]))
    assert str(refused.value) == message


def test_a_tag_needs_a_value():
    assert validate(TrainConfig, compose("train", ["+mlflow.tags={ticket: A-17}"])).mlflow.tags == {"ticket": "A-17"}
    with pytest.raises(UserError, match=r"^config: mlflow.tags.ticket: String should have at least 1 character"):
        validate(TrainConfig, compose("train", ["+mlflow.tags={ticket: ''}"]))


@pytest.mark.parametrize("name", ["CI", "MLFLOW_TRACKING_URI", "SERVING_API_KEYS"])
def test_no_test_meets_a_store_or_a_server_of_the_machine(name):
    check_cleared(name)


def test_a_generated_path_is_not_empty():
    """An empty one would stand for the whole project, whose changes then would not count."""
    with pytest.raises(UserError, match=r"^config: generated\.0: String should have at least 1 character"):
        validate(TrainConfig, compose("train", ["generated=['']"]))


def test_the_other_verbs_compose():
    assert validate(CrossValidationConfig, compose("cv", [])).trainer.checkpoints is None
    assert validate(PredictConfig, compose("predict", ["input=a.csv", "output=b.csv"])).rows == 10_000
    assert validate(ServeConfig, compose("serve", ["serving.port=0"])).serving.port == 0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["+foo=1"], "config: foo is not a key that is known here; see config/ for those that are"),
        (["+trainer.patient=3"], "config: trainer.patient is not a key that is known here; see config/ for those that are"),
        (["seed=x"], "config: seed: Input should be a valid integer, unable to parse string as an integer, not 'x'"),
        (["+model.hiden=[3]"], "config: model.hiden is not an argument of {{ cookiecutter.project_slug }}.models.lightning.LightningMLP; did you mean hidden?"),
        (["~model.hidden"], "config: model.hidden is missing: {{ cookiecutter.project_slug }}.models.lightning.LightningMLP needs it"),
        (["+data.source.datset=wine"], "config: data.source.datset is not an argument of {{ cookiecutter.project_slug }}.data.sources.ScikitLearnSource; did you mean dataset?"),
        (["model._target_={{ cookiecutter.project_slug }}.models.lightning.LightningMlp"], "config: model._target_ names {{ cookiecutter.project_slug }}.models.lightning.LightningMlp, which does not exist"),
        (["data.target=nope"], "config: data: the target 'nope' is not among data.columns"),
        (["data.task=classification"], "config: data: a target of a classification must be category or integer or boolean, 'progression' is number"),
        (["data.split.heldout=0.95"], "config: data.split: validation and heldout leave no rows for training"),
        (["data.split.by=[nope]"], "config: data: split.by names 'nope', which is not among data.columns"),
        (["data.columns.age.kind=text"], "config: data.columns.age.kind: Input should be 'number', 'integer', 'boolean', 'time' or 'category', not 'text'"),
        (["evaluation.golden_rows=5"], "config: evaluation.golden_rows: Input should be greater than or equal to 64, not 5"),
        (["++data.columns.progression_prediction.kind=number"], "config: data: the column 'progression_prediction' has the name of an output: rename it"),
        (["mlflow.model=a.moves"], "config: mlflow.model: 'a.moves' is the record of 'a': no model's name ends in .moves"),
        (["mlflow.model=a/b"], "config: mlflow.model: a registered model's name holds none of / : @ % and quotes, 'a/b' does"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_one_line(overrides, message):
    with pytest.raises(UserError) as caught:
        validate(TrainConfig, compose("train", overrides))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("modle=mlp", "there is no key 'modle' to override; did you mean model?"),
        ("trainer.max_epoch=3", "there is no key 'trainer.max_epoch' to override; did you mean trainer.max_epochs?"),
        ("epochs=3", "there is no key 'epochs' to override; did you mean trainer.max_epochs?"),
        ("wombat=3", "there is no key 'wombat' to override; see config/ for those there are"),
        ("experiment=null", "an override names no file of its config group: give one, as in experiment=<name>; ~experiment is none"),
        ("data.path=/a(b)/c.csv", "cannot read an override (mismatched input '(' expecting <EOF>): quote its value, as in 'data.path=\"a (b).csv\"'; within make, ARGS=\"data.path='\\\"a (b).csv\\\"'\""),
        ("data.target=Größe", "cannot read an override (data.target=Größe): quote its value, as in 'data.path=\"a (b).csv\"'; within make, ARGS=\"data.path='\\\"a (b).csv\\\"'\""),
    ],
)  # fmt: skip
def test_a_wrong_override_is_one_line(override, message):
    with pytest.raises(UserError) as caught:
        compose("train", [override])
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("verb", "override", "hint"),
    [
        ("serve", "reference=models:/a@dev", "did you mean serving.reference?"),
        ("cv", "folds=3", "did you mean evaluation.folds?"),
        ("cv", "held_out=false", "did you mean heldout?"),
        ("predict", "outptu=a.csv", "did you mean output?"),
    ],
)
def test_a_wrong_override_names_the_key_that_was_meant(verb, override, hint):
    with pytest.raises(UserError) as caught:
        compose(verb, [override])
    assert str(caught.value) == f"there is no key {override.partition('=')[0]!r} to override; {hint}"


def test_a_verb_without_experiments_says_how_to_name_the_model():
    with pytest.raises(UserError) as caught:
        compose("predict", ["experiment=wine", "input=a.csv", "output=b.csv"])
    assert str(caught.value) == (
        "there is no key 'experiment' to override: this verb takes no experiment; name its model instead, as in "
        "mlflow.model=<name>"
    )


@pytest.mark.parametrize(
    ("verb", "override", "line"),
    [
        ("train", "experiment=null", "error: an override names no file of its config group: give one, as in experiment=<name>; ~experiment is none"),
        ("cv", "folds=3", "error: there is no key 'folds' to override; did you mean evaluation.folds?"),
    ],
)  # fmt: skip
def test_a_wrong_override_of_a_process_is_one_line(verb, override, line):
    done = _run(ROOT, verb, override)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{line}\n")


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("name: own\ncolumns: {a: 1\n", 3, "expected ',' or '}', but got '<stream end>'"),
        ("name: own\n\tpath: x\n", 2, "found character '\\t' that cannot start any token"),
        ("name: 'own\n", 2, "found unexpected end of stream"),
    ],
)
def test_broken_yaml_names_file_and_line(tmp_path, text, line, problem):
    shutil.copytree(ROOT / "config", tmp_path / "config")
    (tmp_path / "config/data/own.yaml").write_text(text)
    done = _run(tmp_path, "prepare", "data=own")
    where = tmp_path / "config/data/own.yaml"
    assert (done.returncode, done.stderr) == (1, f"error: {where}, line {line}: {problem}\n")


def test_an_unknown_option_names_those_there_are():
    with pytest.raises(UserError) as caught:
        compose("train", ["model=mpl"])
    assert str(caught.value) == f"In 'train': Could not find 'model/mpl'; there are {', '.join(MODELS)}"


def test_a_missing_value_is_named():
    with pytest.raises(UserError, match=r"^config: input is not set$"):
        validate(PredictConfig, compose("predict", []))


def test_every_key_that_people_edit_has_a_comment():
    """Columns of a table, arguments of a library's class, and what a group only changes are left out."""
    files = [path for path in (ROOT / "config").rglob("*.yaml") if path.stem in ("base", "default")]
    files += (ROOT / "config").glob("*.yaml")
    lines = [(path.name, line) for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    headings = ("defaults:", "split:", "trainer:")
    keys = [(name, line) for name, line in lines if line and line[0].isalpha() and not line.startswith(headings)]
    assert len(keys) > 50
    assert [f"{name}: {line}" for name, line in keys if "#" not in line] == []


@pytest.mark.parametrize("verb", ["schema", "train", "cv", "fetch", "prepare", "evaluate", "predict", "reproduce"])
def test_help_imports_nothing_heavy(verb):
    heavy = ("torch", "lightning", "mlflow", "sklearn", "pandas", "numpy", "onnxruntime", "pydantic")
    script = (
        "import atexit, runpy, sys\n"
        f"atexit.register(lambda: print('HEAVY', [name for name in {heavy!r} if name in sys.modules]))\n"
        f"sys.argv = ['{verb}', '--help']\n"
        f"runpy.run_module('{{ cookiecutter.project_slug }}.cli.{verb}', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=_environment(), capture_output=True, text=True)
    assert "Configuration groups" in done.stdout, done.stderr
    assert "HEAVY []" in done.stdout


def test_outside_the_project_one_line_says_so(tmp_path):
    done = _run(tmp_path, "train")
    assert done.returncode == 1
    assert done.stderr == f"error: there is no config/train.yaml in {tmp_path}: run this from the project's root\n"
    assert list(tmp_path.iterdir()) == []


def test_files_parse():
    for path in (ROOT / "config").rglob("*.yaml"):
        assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict), path


def _run(folder: Path, verb: str, *overrides: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"{PACKAGE}.cli.{verb}", *overrides]
    return subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, text=True)


def _environment():
    return os.environ | {"PYTHONPATH": str(ROOT / "src")}
