"""dvc.yaml fits the project that it stands in: its commands compose, what it names is there."""

import configparser
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo
from omegaconf import OmegaConf

from {{ cookiecutter.project_slug }}.schemas.config import EvaluateConfig, TrainConfig, validate
from {{ cookiecutter.project_slug }}.utils.verb import compose

from tests.pages import copy_of_the_project
from tests.project import PACKAGE, ROOT

EXPERIMENTS = sorted(path.stem for path in (ROOT / "config/experiment").glob("*.yaml"))


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """Every stage by its name, of a project whose pipeline lists every experiment that there is."""
    folder = copy_of_the_project(tmp_path_factory.mktemp("pipeline") / "project")
    listed = {name: {"reads": f"src/{PACKAGE}/data/sources.py"} for name in EXPERIMENTS}
    pipeline = yaml.safe_load((folder / "dvc.yaml").read_text(encoding="utf-8"))
    pipeline["vars"] = [{"experiments": listed}]
    (folder / "dvc.yaml").write_text(yaml.safe_dump(pipeline), encoding="utf-8")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    with Repo(str(folder)) as repo:
        return {stage.name: stage for stage in repo.index.stages if stage.path_in_repo == "dvc.yaml"}


@pytest.fixture(autouse=True)
def in_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_what_is_listed_is_an_experiment():
    (variables,) = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["vars"]
    assert set(variables) == {"experiments"}
    assert set(variables["experiments"]) <= set(EXPERIMENTS)


def test_every_experiment_has_the_whole_pipeline(stages):
    verbs = ("compose", "fetch", "prepare", "train", "evaluate")
    assert set(stages) == {f"{verb}@{experiment}" for verb in verbs for experiment in EXPERIMENTS}


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_commands_compose_and_keep_what_they_make_apart(stages, experiment):
    for name in ("fetch", "prepare", "train"):
        config = validate(TrainConfig, compose(*verb_of(stages[f"{name}@{experiment}"].cmd)))
        assert config.data.raw_dir == f"data/raw/{experiment}"
    assert config.data.processed_dir == f"data/processed/{experiment}"
    assert config.mlflow.tags == {"data.dvc": "0123.dir"}
    assert config.generated == ("dvc.lock", "pipeline")
    config = validate(EvaluateConfig, compose(*verb_of(stages[f"evaluate@{experiment}"].cmd)))
    assert (config.reference, config.incumbent) == (f"pipeline/{experiment}/train/servable", None)


def test_no_shell_takes_a_word_for_a_pattern(stages):
    """DVC hands commands to the user's own shell; to zsh a pattern that matches no file is an error."""
    for stage in stages.values():
        unquoted = re.sub(r'"[^"]*"', "", stage.cmd)
        assert not set("[]{}*?~#!") & set(unquoted), stage.cmd


def verb_of(command: str) -> tuple[str, list[str]]:
    """The verb that a stage's command calls, and its overrides, with a hash where the shell puts one."""
    words = shlex.split(command.replace("$raw", "0123.dir"))
    start = words.index("-m")
    package, _, verb = words[start + 1].partition(".cli.")
    assert package == PACKAGE
    return verb, words[start + 2 :]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_parameters_are_keys_of_the_composed_configuration(stages, experiment):
    composed = compose("train", [f"experiment={experiment}"])
    for name in ("fetch", "prepare", "train"):
        (params,) = [dep for dep in stages[f"{name}@{experiment}"].deps if hasattr(dep, "params")]
        assert params.def_path == f"pipeline/{experiment}.yaml"
        missing = object()
        assert [key for key in params.params if OmegaConf.select(composed, key, default=missing) is missing] == []


def test_files_that_stages_depend_on_are_there_or_made(stages):
    made = {out.def_path for stage in stages.values() for out in stage.outs}
    needed = {dep.def_path for stage in stages.values() for dep in stage.deps} - made
    assert {path for path in needed if not (ROOT / path).exists()} <= {"uv.lock"}


def test_what_is_composed_holds_no_secret_and_no_time(stages):
    text = OmegaConf.to_yaml(compose("train", []))
    assert "tracking_uri: ${oc.env:MLFLOW_TRACKING_URI,sqlite:///mlflow.db}" in text
    assert re.search(r"checkpoints: outputs/checkpoints/\$\{now:", text)
    assert " --cfg job > " in stages[f"compose@{EXPERIMENTS[0]}"].cmd


def test_nothing_is_sent_anywhere_by_itself():
    config = configparser.ConfigParser()
    config.read(".dvc/config", encoding="utf-8")
    assert not config.getboolean("core", "analytics")
    assert not config.getboolean("core", "check_update")
