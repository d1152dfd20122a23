"""What a bake holds, for every supported set of answers."""

import ast
import json
import os
import re
import tomllib
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from baking import FOLDER, ROOT, Bake, output, tracked
from options import SUPPORTED, Answers

MakeBake = Callable[..., Bake]
JINJA = re.compile(r"(?<!\$)\{\{|\{%|(?<!\$)\{#|cookiecutter\.")
COPIED = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))["_copy_without_render"]
CACHES = re.compile(r"(^|/)(__pycache__|\.(ruff|mypy|pytest|import_linter)_cache|\.ipynb_checkpoints)/")


def is_copied(name: str) -> bool:
    """Whether cookiecutter copies the file instead of rendering it."""
    return any(fnmatch(name, pattern) for pattern in COPIED)


@pytest.fixture(scope="module", params=[*SUPPORTED])
def answers(request: pytest.FixtureRequest) -> Answers:
    """Each supported set of answers."""
    return SUPPORTED[request.param]


@pytest.fixture(scope="module")
def project(answers: Answers, bake: MakeBake) -> Bake:
    """A bake of them."""
    return bake(**answers)


def test_holds_exactly_what_was_asked_for(
    project: Bake, answers: Answers, expected_files: Callable[..., set[str]]
) -> None:
    assert project.files() == expected_files(project.path.name, **answers)
    assert [folder for folder in project.path.rglob("*") if folder.is_dir() and not any(folder.iterdir())] == []


def test_git_sees_every_file(project: Bake) -> None:
    """Its own .gitignore hides nothing that was baked, such as the package's data module."""
    files = project.files()
    project.run("git", "init", "--quiet")
    project.run("git", "add", "--all")
    assert set(project.run("git", "ls-files", "-z").strip("\0").split("\0")) == files


def test_no_jinja_is_left(project: Bake) -> None:
    rendered = [name for name in project.files() if not is_copied(name)]
    assert [name for name in rendered if JINJA.search(project.text(name))] == []


def test_everything_parses(project: Bake) -> None:
    readers: dict[str, Callable[[str], object]] = {
        ".toml": tomllib.loads,
        ".yaml": lambda text: list(yaml.safe_load_all(text)),
        ".yml": lambda text: list(yaml.safe_load_all(text)),
        ".json": json.loads,
        ".ipynb": json.loads,
        ".py": ast.parse,
    }
    for name in sorted(project.files()):
        if reader := readers.get(Path(name).suffix):
            try:
                reader(project.text(name))
            except Exception as error:
                raise AssertionError(f"{name}: {error}") from error


def test_records_answers_and_version_but_no_path(project: Bake, template: Path, prompts: dict[str, Any]) -> None:
    record = json.loads(project.text(".template.json"))
    assert record["version"] == prompts["_template_version"]
    assert set(record["answers"]) == {key for key in prompts if not key.startswith("_")}
    paths = (str(template), str(project.path.parent))
    read = {name: (project.path / name).read_bytes() for name in project.files()}
    assert [name for name, content in read.items() for path in paths if path.encode() in content] == []


def test_same_answers_same_bytes(bake: MakeBake) -> None:
    first, second = bake(), bake()
    assert first.files() == second.files()
    for name in first.files():
        assert (first.path / name).read_bytes() == (second.path / name).read_bytes(), name


def test_copied_files_are_not_rendered(bake: MakeBake) -> None:
    project = bake(project_slug="copied")
    copied = [name for name in project.files() if is_copied(name)]
    graph = "tests/released/contract-1/regression/model.onnx"
    assert {"TEMPLATE_GUIDE.md", "LICENSE", "src/copied/__init__.py", graph} < set(copied)
    for name in copied:
        source = ROOT / FOLDER / name.replace("src/copied/", f"src/{FOLDER}/")
        assert (project.path / name).read_bytes() == source.read_bytes(), name


def test_every_bit_of_the_mode_is_kept(bake: MakeBake) -> None:
    project = bake(project_slug="modes")
    for name in project.files():
        source = ROOT / FOLDER / name.replace("src/modes/", f"src/{FOLDER}/")
        assert os.access(project.path / name, os.X_OK) == os.access(source, os.X_OK), name


@pytest.mark.parametrize("name", ["TEMPLATE_GUIDE.md", "LICENSE"])
def test_guide_and_licence_stand_in_both_places(name: str) -> None:
    assert (ROOT / name).read_bytes() == (ROOT / FOLDER / name).read_bytes()


def test_source_needs_no_slug() -> None:
    """Imports inside the package are relative, so that its Python is valid before it is rendered."""
    for file in sorted((ROOT / FOLDER / "src").rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        ast.parse(text)
        assert "cookiecutter" not in text, file


def test_git_ignores_only_caches_in_the_template_folder() -> None:
    """The project's .gitignore also holds inside the template: a file that it hides would never be published."""
    listed = output("git", "ls-files", "-z", "--others", "--ignored", "--exclude-standard", FOLDER, cwd=ROOT)
    assert [name for name in listed.split("\0") if name and not CACHES.search(name)] == []


def test_version_is_the_same_everywhere(prompts: dict[str, Any]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert project["project"]["version"] == prompts["_template_version"] == released[0]


def test_no_package_registry_or_wheel_folder_is_named() -> None:
    """A lock or a requirement that was made on one machine must not travel with the template."""
    forbidden = ["py" + "pi.org", "python" + "hosted.org", "conda" + ".anaconda.org"]
    forbidden += [wheels for wheels in [os.environ.get("PIP_FIND_LINKS", "")] if len(wheels) > 1]
    for name in tracked(ROOT):
        text = (ROOT / name).read_text(encoding="utf-8", errors="replace")
        assert [word for word in forbidden if word in text] == [], name
