"""Answers: any text comes back as it was typed, and a bad one is refused before anything is written."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from baking import Bake, clean_env
from cookiecutter.exceptions import FailedHookException
from cookiecutter.main import cookiecutter
from options import CONTROL, DEPENDENCY, EVERYTHING, FOLDER, JINJA, NOTHING, REFUSED, SLUG_SHAPE, TEXTS

MakeBake = Callable[..., Bake]
Refusal = Callable[..., str]


@pytest.fixture
def refusal(template: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Refusal:
    """`refusal(answers)` is what the hook says on stderr; nothing may be left behind."""

    def bake(answers: dict[str, str], replay: str | None = None) -> str:
        with pytest.raises(FailedHookException):
            cookiecutter(
                str(template), no_input=not replay, extra_context=None if replay else answers, replay=replay,
                output_dir=str(tmp_path / "out"),
            )  # fmt: skip
        assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
        assert not (tmp_path / "out" / answers["project_slug"]).exists()
        return capfd.readouterr().err

    return bake


@pytest.mark.parametrize("text", TEXTS)
def test_text_comes_back_as_typed(bake: MakeBake, text: str) -> None:
    answers = {"project_name": text, "project_slug": "typed", "description": text, "author_name": text}
    project = bake(**answers)

    about = project.toml("pyproject.toml")["project"]
    assert (about["description"], about["authors"][0]["name"]) == (text, text)
    recorded = json.loads(project.text(".template.json"))["answers"]
    defaults = {"author_email": "you@example.com", "python_version": "3.11", **NOTHING}
    assert recorded == answers | defaults
    assert yaml.safe_load(project.text(".template.json"))["answers"] == recorded
    assert project.text("README.md").startswith(f"# {text}\n")


@pytest.mark.parametrize(
    ("name", "slug"),
    [("House Prices 2.0", "house_prices_2_0"), ("Größe", "grosse"), ("机器", "ji_qi"), ("🚀", "ml_project")],
)
def test_slug_is_derived_from_the_name(bake: MakeBake, name: str, slug: str) -> None:
    assert bake(project_name=name).path.name == slug


def test_bake_refuses_an_unknown_key(bake: MakeBake) -> None:
    with pytest.raises(KeyError, match="asks for no use_magic"):
        bake(use_magic="yes")


@pytest.mark.parametrize(("key", "answer", "reason"), REFUSED)
def test_refused_in_one_line(refusal: Refusal, key: str, answer: str, reason: str) -> None:
    subject = key if reason.startswith("is empty") else f"{key} {answer!r}"
    assert refusal({"project_slug": "refused", key: answer}) == f"ml-template: {subject} {reason}\n"


def test_slug_with_a_separator_is_refused(refusal: Refusal) -> None:
    assert refusal({"project_slug": "a/b"}) == f"ml-template: project_slug 'a/b' {SLUG_SHAPE}\n"


def test_every_dependency_is_refused_as_slug(bake: MakeBake, refusal: Refusal) -> None:
    names = set()
    for answers in EVERYTHING:
        tables = bake(**answers).toml("pyproject.toml")
        groups = [*tables["project"]["optional-dependencies"].values(), *tables["dependency-groups"].values()]
        requirements = tables["project"]["dependencies"] + [one for group in groups for one in group]
        names |= {re.match(r"[\w.-]+", requirement)[0] for requirement in requirements}  # type: ignore[index]
    for slug in sorted({re.sub(r"[-.]", "_", name).lower() for name in names}):
        assert refusal({"project_slug": slug}) == f"ml-template: project_slug {slug!r} {DEPENDENCY}\n"


def test_every_folder_of_the_project_is_refused_as_slug(bake: MakeBake, refusal: Refusal) -> None:
    for folder in bake(**EVERYTHING[0]).path.iterdir():
        if folder.is_dir() and not folder.name.startswith("."):
            reason = f"ml-template: project_slug {folder.name!r} {FOLDER}\n"
            assert refusal({"project_slug": folder.name}) == reason


@pytest.mark.parametrize(
    ("key", "answer", "reason"),
    [
        ("python_version", "3.9", "is not offered: choose 3.11, 3.12, 3.13"),
        ("use_dvc", "False", "is not offered: choose true, false"),
        ("dashboard", "dash", "is not offered: choose none, streamlit, nicegui"),
        ("use_triton", "yes", "is not offered: choose true, false"),
        ("description", "{{ 1 }}", JINJA),
        ("author_name", "{% raw %}", JINJA),
        ("project_name", "{# 1", JINJA),
        ("project_name", "a\tb", CONTROL),
    ],
)
def test_replayed_answers(
    bake: MakeBake, refusal: Refusal, prompts: dict[str, Any], tmp_path: Path, key: str, answer: str, reason: str
) -> None:
    """Replayed, like typed at the prompt, an answer reaches the hook unrendered, and a choice unchecked."""
    answers = prompts | json.loads(bake().text(".template.json"))["answers"] | {key: answer}
    replay = tmp_path / "replay.json"
    replay.write_text(json.dumps({"cookiecutter": answers}), encoding="utf-8")
    assert refusal(answers, replay=str(replay)) == f"ml-template: {key} {answer!r} {reason}\n"


def test_offered_choices_are_the_same_everywhere(template: Path, prompts: dict[str, Any]) -> None:
    hook = (template / "hooks" / "pre_gen_project.py").read_text(encoding="utf-8")
    for key, offered in prompts.items():
        if isinstance(offered, list) and not key.startswith("_"):
            assert f'"{key}": {tuple(offered)},'.replace("'", '"') in hook


def test_every_prompt_has_a_sentence(prompts: dict[str, Any]) -> None:
    assert [*prompts["__prompts__"]] == [key for key in prompts if not key.startswith("_")]


def test_answers_typed_at_the_prompt(template: Path, tmp_path: Path) -> None:
    """An empty line takes the default; a choice is a number."""
    typed = ['Größe "1"', "", 'a \\ "b" 🚀', "O'Brien", "me@example.com", "2", "yes", "3", ""]
    command = [sys.executable, "-m", "cookiecutter", str(template)]
    environment = clean_env(PYTHONUTF8="1")
    subprocess.run(command, cwd=tmp_path, env=environment, input="\n".join([*typed, ""]), encoding="utf-8", check=True)

    answers = json.loads((tmp_path / "grosse_1" / ".template.json").read_text(encoding="utf-8"))["answers"]
    assert [*answers.values()] == [typed[0], "grosse_1", typed[2], typed[3], typed[4], "3.12", True, "nicegui", False]


def test_command_line_exits_1(template: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cookiecutter", "--no-input", str(template), "project_slug=torch"]
    done = subprocess.run(command, cwd=tmp_path, env=clean_env(), text=True, capture_output=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == f"ml-template: project_slug 'torch' {DEPENDENCY}"
    assert not any(tmp_path.iterdir())


def test_python_that_is_not_offered(template: Path, tmp_path: Path) -> None:
    """Cookiecutter itself checks a choice, before any hook."""
    answers = {"python_version": "3.10"}
    with pytest.raises(ValueError, match=r"3\.10 provided for choice variable python_version, but the choices are"):
        cookiecutter(str(template), no_input=True, extra_context=answers, output_dir=str(tmp_path))
    assert not any(tmp_path.iterdir())
