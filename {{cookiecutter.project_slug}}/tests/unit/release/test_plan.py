"""`make release`: which number and candidate come next, and that commit and tag are made together or not at all."""

import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.ports import UserError, Version

from tests.project import ROOT, environment_of
from tests.repositories import CHANGELOG, bumped, commit, git, repository, tag
from tools.release_plan import candidate, final
from tools.release_writing import carry_out

TODAY = datetime.now(UTC).strftime("%Y-%m-%d")
ENTRY = "### Added\n\n- A better model.\n"


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A repository in the working directory whose VERSION is 0.1.0, without a release."""
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(ROOT / ".bumpversion.toml", folder)
    repository(folder)
    monkeypatch.chdir(folder)
    return folder


def version(number: str = "3", *aliases: str, **facts: str) -> Version:
    return Version("house", number, "run", aliases, {key.replace("_", "."): text for key, text in facts.items()})


def released(folder: Path, number: str, *candidates: int) -> None:
    """A commit that carries the number, with its candidates, and the release's tag after them."""
    bumped(folder, number)
    for one in candidates:
        tag(folder, f"v{number}-rc.{one}", "Model: models:/house/2")
    tag(folder, f"v{number}", "Model: models:/house/2")
    commit(folder, "Go on", CHANGELOG_md=Path("CHANGELOG.md").read_text().replace("- A better", "- An older")
           .replace("## [Unreleased]\n", f"## [Unreleased]\n\n{ENTRY}"))  # fmt: skip


def state(folder: Path) -> dict[str, object]:
    """All that a release could change."""
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts}
    return {"refs": git(folder, "show-ref"), "status": git(folder, "status", "--porcelain"), "files": files}


@pytest.mark.parametrize("bump", [None, "none"])
def test_the_first_candidate_is_of_the_number_that_is_there(project, bump):
    plan = candidate(version(), [version()], bump)
    assert plan.release.tag == "v0.1.0-rc.1"
    (changed,) = plan.files
    assert changed == "CHANGELOG.md"
    assert plan.files[changed][1].decode() == CHANGELOG.replace(
        "## [Unreleased]\n", f"## [Unreleased]\n\n## [0.1.0] - {TODAY}\n"
    )


@pytest.mark.parametrize(
    ("bump", "number"), [(None, "1.3.0"), ("patch", "1.2.4"), ("minor", "1.3.0"), ("major", "2.0.0")]
)  # fmt: skip
def test_a_number_that_is_released_is_raised(project, bump, number):
    released(project, "1.2.3", 1, 2)
    plan = candidate(version(), [version()], bump)
    assert plan.release.tag == f"v{number}-rc.1"
    assert plan.files["VERSION"] == (b"1.2.3\n", f"{number}\n".encode())
    assert f"## [Unreleased]\n\n## [{number}] - {TODAY}\n\n{ENTRY}" in plan.files["CHANGELOG.md"][1].decode()


@pytest.mark.parametrize(
    ("number", "bump", "next_one"),
    [
        ("0.2.0", None, "0.2.0-rc.3"),
        ("0.2.0", "none", "0.2.0-rc.3"),
        ("0.2.0", "patch", "0.2.0-rc.3"),
        ("0.2.0", "minor", "0.2.0-rc.3"),
        ("0.2.0", "major", "1.0.0-rc.1"),
        ("0.2.1", "patch", "0.2.1-rc.3"),
        ("0.2.1", "minor", "0.3.0-rc.1"),
        ("2.0.0", "major", "2.0.0-rc.3"),
    ],
)  # fmt: skip
def test_a_number_that_is_not_released_gets_another_candidate(project, number, bump, next_one):
    bumped(project, number)
    commit(project, "Go on", CHANGELOG_md=Path("CHANGELOG.md").read_text().replace("]\n", "]\n\n- More.\n", 1))
    for one in (1, 2):
        tag(project, f"v{number}-rc.{one}", "Model: models:/house/2")
    plan = candidate(version(), [version()], bump)
    assert plan.release.name == next_one
    assert bool(plan.files) is (not next_one.startswith(number))


def test_the_registry_knows_numbers_that_this_clone_does_not(project):
    bumped(project, "0.1.0")
    assert candidate(version(), [version("2", release_staging="0.1.0-rc.4")], None).release.name == "0.1.0-rc.5"
    commit(project, "Go on", CHANGELOG_md=Path("CHANGELOG.md").read_text().replace("]\n", "]\n\n- More.\n", 1))
    assert candidate(version(), [version("2", release_prod="0.1.0")], None).release.name == "0.2.0-rc.1"


def test_what_there_is_no_candidate_of(project):
    released(project, "0.1.0")
    with pytest.raises(UserError) as caught:
        candidate(version(), [], "none")
    assert str(caught.value) == "0.1.0 is released already: raise it, --bump patch, minor or major"
    commit(
        project,
        "Empty",
        CHANGELOG_md="# Changelog\n\n## [Unreleased]\n\n### Added\n\n## [0.1.0] - 2026-01-01\n\n- A.\n",
    )
    with pytest.raises(UserError) as caught:
        candidate(version(), [], "minor")
    nothing = "CHANGELOG.md has nothing under `## [Unreleased]`: write there what changed, and commit it"
    assert str(caught.value) == nothing
    commit(project, "Odd", VERSION="0.1\n")
    with pytest.raises(UserError, match=r"^VERSION says '0\.1': it has to be X\.Y\.Z$"):
        candidate(version(), [], "minor")


def test_a_commit_needs_a_branch(project):
    git(project, "checkout", "--quiet", "--detach")
    with pytest.raises(UserError, match=r"^HEAD is on no branch, where a commit would be lost: check one out first$"):
        candidate(version(), [], None)


def test_a_release_is_of_the_number_that_was_a_candidate(project):
    first = "make a candidate first, `candidate`"
    with pytest.raises(UserError) as caught:
        final(version(), [])
    assert str(caught.value) == f"CHANGELOG.md has no section `## [0.1.0]`: {first}"
    bumped(project, "0.1.0")
    plan = final(version("3", "staging", release_staging="0.1.0-rc.2"), [])
    assert (plan.release.tag, plan.files) == ("v0.1.0", {})
    with pytest.raises(UserError) as caught:
        final(version("3", "staging", release_staging="0.0.9-rc.1"), [])
    assert str(caught.value) == (
        f"house version 3 got staging as 0.0.9-rc.1, and VERSION says 0.1.0: push that one's candidate, or {first}"
    )
    tag(project, "v0.1.0", "Model: models:/house/3")
    with pytest.raises(UserError) as caught:
        final(version(), [])
    assert str(caught.value) == f"0.1.0 is released already: {first}"


def test_a_plan_is_shown_whole(project):
    git(project, "config", "branch.main.remote", "upstream")
    assert candidate(version("3", "dev"), [], "minor").shown().splitlines() == [
        "version  models:/house/3 (dev)", "",
        "--- a/VERSION", "+++ b/VERSION", "@@ -1 +1 @@", "-0.1.0", "+0.2.0", "",
        "--- a/CHANGELOG.md", "+++ b/CHANGELOG.md", "@@ -2,6 +2,8 @@", " ", " ## [Unreleased]", " ",
        f"+## [0.2.0] - {TODAY}", "+", " ### Added", " ", " - A better model.", "",
        "commit   Release 0.2.0",
        "tag      v0.2.0-rc.1",
        "         Candidate 1 of release 0.2.0", "", "         Model: models:/house/3",
        "push     git push --atomic upstream main v0.2.0-rc.1",
    ]  # fmt: skip


def test_commit_and_tag_are_made(project):
    before = git(project, "rev-parse", "HEAD")
    carry_out(candidate(version(), [], "minor"))
    assert git(project, "diff", "--name-only", before, "HEAD").split() == ["CHANGELOG.md", "VERSION"]
    assert git(project, "log", "--format=%s", f"{before}..HEAD") == "Release 0.2.0"
    assert git(project, "rev-parse", "v0.2.0-rc.1^{commit}") == git(project, "rev-parse", "HEAD")
    assert git(project, "cat-file", "-t", "v0.2.0-rc.1") == "tag"
    said = git(project, "tag", "--list", "--format=%(contents)", "v0.2.0-rc.1")
    assert said == "Candidate 1 of release 0.2.0\n\nModel: models:/house/3"
    assert git(project, "status", "--porcelain") == ""


def hook(project: Path, name: str, script: str) -> None:
    path = project / ".git/hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("name", "script", "line"),
    [
        ("pre-commit", "exit 1", "git commit failed with exit code 1: nothing was changed"),
        ("pre-commit", "echo changed > VERSION; git add VERSION; exit 1", "git commit failed with exit code 1: nothing was changed"),
        ("pre-commit", "echo seed: 3 > config/train.yaml; git add config",
         "the commit changed CHANGELOG.md, VERSION, config/train.yaml, so it was taken back: look at git's hooks"),
        ("reference-transaction", "grep -q refs/tags/ && [ $1 = prepared ] && exit 1; exit 0",
         "git tag failed with exit code 128: nothing was changed"),
    ],
)  # fmt: skip
def test_git_that_fails_leaves_nothing(project, name, script, line):
    before = state(project)
    hook(project, name, script)
    with pytest.raises(UserError) as caught:
        carry_out(candidate(version(), [], "minor"))
    assert str(caught.value) == line
    assert state(project) == before


def test_a_tag_that_is_there_stays(project):
    plan = candidate(version(), [], "minor")
    tag(project, "v0.2.0-rc.1", "Another's")
    before = state(project)
    with pytest.raises(UserError, match=r"^there is a tag v0\.2\.0-rc\.1 already: delete it, or push it$"):
        carry_out(plan)
    assert state(project) == before


SCRIPT = """
import signal, sys
signal.signal(signal.SIGTERM, signal.default_int_handler)
from {{ cookiecutter.project_slug }}.ports import Version
from tools.release_plan import candidate
from tools.release_writing import carry_out
try:
    carry_out(candidate(Version("house", "3", "run", (), {}), [], "minor"))
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", ["pre-commit", "post-commit"])
def test_an_interruption_leaves_nothing(project, number, name):
    """In the midst of the commit, and between it and the tag."""
    before = state(project)
    hook(project, name, "echo waiting >&2; exec sleep 20 2>&-")
    program = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], cwd=project, stderr=subprocess.PIPE, text=True,
        env=environment_of(PYTHONPATH=f"{ROOT / 'src'}:{ROOT}"), start_new_session=True,
    )  # fmt: skip
    with program:
        assert program.stderr is not None
        assert program.stderr.readline() == "waiting\n"
        program.send_signal(number)
        assert program.wait(15) == 130, program.stderr.read()
    assert state(project) == before
    assert not list((project / ".git").glob("*.lock"))


def test_the_tag_of_the_images_is_raised_with_the_number(project):
    """And no tag of another image."""
    tags = '- newTag: "0.1.0"\n- newTag: "0.1.0"\n- newTag: 0.1.0-py3\n'
    commit(project, "Deploy", deployment__k8s__base__kustomization_yaml=tags)
    plan = candidate(version(), [], "minor")
    assert set(plan.files) == {"VERSION", "CHANGELOG.md", "deployment/k8s/base/kustomization.yaml"}
    assert plan.files["deployment/k8s/base/kustomization.yaml"][1].decode() == tags.replace('"0.1.0"', '"0.2.0"')
    carry_out(plan)
    assert git(project, "status", "--porcelain") == ""
    commit(project, "Other tags", deployment__k8s__base__kustomization_yaml="- newTag: nightly\n")
    tag(project, "v0.2.0", "Model: models:/house/3")
    commit(project, "Go on", CHANGELOG_md=Path("CHANGELOG.md").read_text().replace("]\n", "]\n\n- More.\n", 1))
    assert set(candidate(version(), [], None).files) == {"VERSION", "CHANGELOG.md"}


def test_settings_change_nothing_that_was_trained_from(project):
    with Path(".bumpversion.toml").open("a") as file:
        file.write('\n[[tool.bumpversion.files]]\nfilename = "src/model.py"\n')
    with pytest.raises(UserError) as caught:
        candidate(version(), [], "minor")
    line = ".bumpversion.toml names src/model.py, of which a model is trained: a release cannot change it"
    assert str(caught.value) == line


def test_settings_that_do_not_fit_are_one_line(project):
    commit(project, "Odd", CHANGELOG_md="# Changelog\n\n## [Unreleased] \n\n- A.\n\n## [Unreleased]\n\n- A.\n")
    Path("VERSION").write_text("0.1.0\n")
    with Path(".bumpversion.toml").open("a") as file:
        file.write('\n[[tool.bumpversion.files]]\nfilename = ".gitignore"\n')
    Path(".gitignore").write_text("/data\n")
    with pytest.raises(UserError) as caught:
        candidate(version(), [], "minor")
    line = "bump-my-version fails with .bumpversion.toml: Did not find '0.1.0' in file: '.gitignore'"
    assert str(caught.value) == line
