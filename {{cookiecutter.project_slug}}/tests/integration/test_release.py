"""A release from the candidate to prod: `make release` plans and tags, and `promote tag=` believes its tags."""

import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from {{ cookiecutter.project_slug }}.cli.promote import promote
from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry
from {{ cookiecutter.project_slug }}.ports import UserError

from tests.candidates import write_candidate
from tests.project import PACKAGE, ROOT, composed, environment_of, make_project, store
from tests.promotions import aliases, register
from tests.repositories import commit, git, repository
from tools.release import release

pytestmark = pytest.mark.slow
CI = ["promotion.ci=woodpecker", *(f"promotion.{stage}.gates.deployable=null" for stage in ("staging", "prod"))]
MODEL = ["--model", "house"]


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    folder = make_project(tmp_path / "project")
    shutil.copy(ROOT / ".bumpversion.toml", folder)
    (folder / ".gitignore").write_text("/mlflow.db*\n/mlruns\n/servables\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store())
    repository(folder)
    return folder


def train(project: Path, name: str, **changes) -> str:
    """Register a servable as if it had been trained from HEAD."""
    head = git(project, "rev-parse", "HEAD")
    provenance = {"commit": head, **changes.pop("provenance", {})}
    version = register(write_candidate(project / "servables" / name, provenance=provenance, **changes))
    MlflowRegistry(store()).tag(version, {"git.commit": head})
    return version.version


def state(project: Path) -> tuple[str, str, bytes, bytes]:
    files = (project / "VERSION").read_bytes(), (project / "CHANGELOG.md").read_bytes()
    return git(project, "show-ref"), git(project, "status", "--porcelain"), *files


def facts(number: str) -> dict[str, str]:
    tags = mlflow.MlflowClient(store()).get_model_version("house", number).tags
    return {name: value for name, value in tags.items() if name.startswith("release.")}


def refusal(*arguments: str) -> str:
    with pytest.raises(UserError) as caught:
        release([*arguments, *MODEL])
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_from_the_first_candidate_to_the_second_release(project, capsys):
    train(project, "v1", bias=1.0)
    before = state(project)
    release(["candidate", *MODEL])
    said = capsys.readouterr().out
    assert state(project) == before
    assert said.splitlines()[0] == "version  models:/house/1 (dev)"
    assert said.endswith(
        "push     git push --atomic origin main v0.1.0-rc.1\nnothing was changed: add --execute to do it\n"
    )

    release(["candidate", *MODEL, "--execute"])
    assert capsys.readouterr().out.endswith("done; now push it: git push --atomic origin main v0.1.0-rc.1\n")
    assert git(project, "diff", "--name-only", "HEAD~1", "HEAD") == "CHANGELOG.md"
    report = promote(composed("promote", "tag=v0.1.0-rc.1", *CI))
    assert report is not None
    assert (report.version, report.refusals) == ("1", {})
    assert (aliases(), facts("1")) == ({"dev": "1", "staging": "1"}, {"release.staging": "0.1.0-rc.1"})
    assert promote(composed("promote", "tag=v0.1.0-rc.1", *CI)) is None  # the pipeline runs again

    release(["final", *MODEL, "--execute"])
    assert git(project, "tag", "--points-at", "HEAD").split() == ["v0.1.0", "v0.1.0-rc.1"]
    assert promote(composed("promote", "tag=v0.1.0", *CI)) is not None
    assert aliases() == {"dev": "1", "staging": "1", "prod": "1"}
    assert facts("1") == {"release.staging": "0.1.0-rc.1", "release.prod": "0.1.0"}
    assert promote(composed("promote", "tag=v0.1.0", *CI)) is None
    assert promote(composed("promote", "tag=v0.1.0-rc.1", *CI)) is None
    assert refusal("final") == "0.1.0 is released already: make a candidate first, `candidate`"

    # A second version, of which clients have to be told.
    text = (project / "CHANGELOG.md").read_text()
    noted = text.replace("## [Unreleased]\n", "## [Unreleased]\n\n- No ids.\n\n## [0.2.0] - 2026-11-29\n\n- A try.\n")
    commit(project, "Note it", CHANGELOG_md=text.replace("## [Unreleased]\n", "## [Unreleased]\n\n- No ids.\n"))
    train(project, "v2", key=False)
    broken = "house version 2 is not compatible with version 1, which holds prod: column 'id' is gone"
    assert refusal("candidate") == f"{broken}; when clients are told, tag a new major release, --bump major"
    commit(project, "Release 0.2.0", VERSION="0.2.0\n", CHANGELOG_md=noted)
    git(project, "tag", "--annotate", "--message", "Model: models:/house/2", "v0.2.0-rc.1")  # nothing stops a hand
    with pytest.raises(UserError) as caught:
        promote(composed("promote", "tag=v0.2.0-rc.1", *CI))
    assert str(caught.value) == (
        "house version 2 does not become staging: contract: not compatible with version 1: column 'id' is gone; "
        "when clients are told, make it a new major release (tag v1.0.0, or promotion.new_major=true by hand)"
    )
    assert (aliases(), facts("2")) == ({"dev": "2", "staging": "1", "prod": "1"}, {})
    release(["candidate", *MODEL, "--bump", "major", "--execute"])
    promote(composed("promote", "tag=v1.0.0-rc.1", *CI))
    release(["final", *MODEL, "--execute"])
    promote(composed("promote", "tag=v1.0.0", *CI))
    assert aliases() == {"dev": "2", "staging": "2", "prod": "2", "archived": "1"}
    assert facts("2") == {"release.staging": "1.0.0-rc.1", "release.prod": "1.0.0"}


def test_what_ci_would_refuse_is_refused_before_anything_is_written(project):
    train(project, "v1", provenance={"dirty": True})
    assert refusal("candidate") == (
        "house version 1 was trained with uncommitted changes: commit them, train again, and release that version"
    )
    assert refusal("final") == (
        "no version of house holds staging: push the tag of a candidate, and wait for CI, or name one (--version, --model)"
    )
    trained = git(project, "rev-parse", "HEAD")[:12]
    train(project, "v2")
    (project / "src/model.py").write_text("second\n")
    assert refusal("candidate") == (
        "the tree has uncommitted changes: commit or stash them first (`git status` lists them)"
    )
    commit(project, "Change")
    before = state(project)
    assert refusal("candidate", "--execute") == (
        f"src is not the same in v0.1.0-rc.1 and in commit {trained}, which trained house version 2: "
        "tag a commit where it is, or train again and release that version"
    )
    assert refusal("candidate", "--version", "7").startswith("house has no version 7 at sqlite:///")
    assert state(project) == before


def run(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = environment_of(PYTHONPATH=f"{ROOT / 'src'}:{ROOT}")
    return subprocess.run([sys.executable, *command], cwd=project, env=environment, capture_output=True, text=True)


def test_as_processes(project):
    """One line on standard error, and exit code 1."""
    program = str(ROOT / "tools/release_tag.py")
    git(project, "tag", "--annotate", "--message", "Any text\n\nModel: models:/house/3", "v0.1.0-rc.1")
    done = run(project, program, "v0.1.0-rc.1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "models:/house/3\n", "")
    for tag, line in {
        "v0.1.0": "there is no tag v0.1.0 here: fetch it (`git fetch --tags`; in CI clone with tags)",
        "nightly": "'nightly' names no release: a tag is vX.Y.Z-rc.N for staging, or vX.Y.Z for prod",
    }.items():
        done = run(project, program, tag)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {line}\n")
    done = run(project, program)
    assert (done.returncode, done.stderr) == (1, "error: give one tag: python tools/release_tag.py v1.2.0\n")
    (project / "left.txt").touch()
    done = run(project, "-m", "tools.release", "candidate")
    line = "the tree has uncommitted changes: commit or stash them first (`git status` lists them)"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {line}\n")
    done = run(project, "-m", f"{PACKAGE}.cli.promote", "tag=v0.1.0-rc.1", "promotion.ci=1", f"mlflow.model={PACKAGE}")
    line = f"v0.1.0-rc.1 names the model house, and mlflow.model is {PACKAGE}: leave it out"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {line}\n")
