"""The ways a user gets and updates a project: from a git address at a tag, and with cruft."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from baking import FOLDER, Bake, commit, output

VERSION = "9.9.9"


@pytest.fixture
def released(template: Path, tmp_path: Path) -> Path:
    """A clone of the template whose guide, version and a new file were changed and tagged after the first tag."""
    copy = tmp_path / "ml-template"
    output("git", "clone", "--quiet", str(template), str(copy), cwd=tmp_path)
    prompts = copy / "cookiecutter.json"
    current = json.loads(prompts.read_text(encoding="utf-8"))["_template_version"]
    prompts.write_text(prompts.read_text(encoding="utf-8").replace(f'"{current}"', f'"{VERSION}"'), encoding="utf-8")
    with (copy / FOLDER / "TEMPLATE_GUIDE.md").open("a", encoding="utf-8") as guide:
        guide.write("\nA line of the next version.\n")
    (copy / FOLDER / "NEW.md").write_text("{{ cookiecutter.project_slug }}\n", encoding="utf-8")
    commit(copy, f"v{VERSION}")
    return copy


def first_tag(template: Path) -> str:
    """The tag that the template's own version has."""
    return output("git", "describe", "--tags", cwd=template).strip()


@pytest.mark.parametrize("tag", ["first", f"v{VERSION}"])
def test_from_a_git_address_at_a_tag(released: Path, template: Path, tmp_path: Path, tag: str) -> None:
    tag = first_tag(template) if tag == "first" else tag
    address = f"git+{released.as_uri()}"
    answers = ["project_name=From Git", "python_version=3.12"]
    output(sys.executable, "-m", "cookiecutter", "--no-input", address, "--checkout", tag, *answers, cwd=tmp_path)

    record = json.loads((tmp_path / "from_git" / ".template.json").read_text(encoding="utf-8"))
    assert f"v{record['version']}" == tag
    assert record["answers"]["python_version"] == "3.12"
    assert (tmp_path / "from_git" / "NEW.md").exists() == (tag == f"v{VERSION}")


def test_cruft_creates_checks_and_updates(
    released: Path, template: Path, tmp_path: Path, expected_files: Callable[..., set[str]]
) -> None:
    cruft = [sys.executable, "-m", "cruft"]
    text = 'Says "hi" 🚀'
    options = ["--no-input", "--checkout", first_tag(template), "--extra-context"]
    answers = json.dumps({"project_slug": "updated", "description": text})
    output(*cruft, "create", str(released), *options, answers, cwd=tmp_path)
    project = Bake(tmp_path / "updated")
    assert project.files() == expected_files("updated") | {".cruft.json"}
    commit(project.path, "mine")
    assert "up to date" in project.run(*cruft, "check", "--checkout", first_tag(template))
    with pytest.raises(AssertionError, match="out of date"):
        project.run(*cruft, "check", "--checkout", f"v{VERSION}")

    project.run(*cruft, "update", "--skip-apply-ask", "--checkout", f"v{VERSION}")

    assert project.files() == expected_files("updated") | {".cruft.json", "NEW.md"}
    assert project.text("NEW.md") == "updated\n"
    assert project.text("TEMPLATE_GUIDE.md").endswith("A line of the next version.\n")
    record = json.loads(project.text(".template.json"))
    assert (record["version"], record["answers"]["description"]) == (VERSION, text)
    assert "up to date" in project.run(*cruft, "check", "--checkout", f"v{VERSION}")


def test_a_bake_is_linked_to_cruft_by_its_recorded_answers(released: Path, template: Path, tmp_path: Path) -> None:
    """`.template.json` holds what cruft asks for: the version as a tag, and the answers."""
    answers = ["project_slug=linked", 'author_name=Zoë "Z"']
    first = ["--checkout", first_tag(template)]
    output(sys.executable, "-m", "cookiecutter", "--no-input", str(released), *first, *answers, cwd=tmp_path)
    project = Bake(tmp_path / "linked")
    record = json.loads(project.text(".template.json"))
    linked = ["--checkout", f"v{record['version']}", "--extra-context", json.dumps(record["answers"])]
    commit(project.path, "mine")

    project.run(sys.executable, "-m", "cruft", "link", str(released), "--no-input", *linked)
    project.run("git", "add", ".cruft.json")
    project.run("git", "commit", "--quiet", "--message", "link")
    project.run(sys.executable, "-m", "cruft", "update", "--skip-apply-ask", "--checkout", f"v{VERSION}")

    assert project.text("NEW.md") == "linked\n"
    assert json.loads(project.text(".template.json")) == record | {"version": VERSION}
