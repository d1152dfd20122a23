"""`make images`: what it hands to the engine, here a stand-in that writes it down, and what it refuses in one line."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.project import PACKAGE, ROOT

STAND_IN = """#!/bin/sh
[ "$1" = info ] && exit "${ENGINE_STATUS:-0}"
[ "$1" = buildx ] && case "$4" in *"${THERE:-nothing}"*) exit 0 ;; *) echo "ERROR: ${TROUBLE:-$4: not found}" >&2; exit 1 ;; esac
for argument in "$@"; do echo "$argument" >>"$ASKED"; done
echo >>"$ASKED"
"""
IDENTITY = {
    f"GIT_{role}_{fact}": value
    for role in ("AUTHOR", "COMMITTER")
    for fact, value in {"NAME": "Test", "EMAIL": "test@example.com", "DATE": "2026-01-02T03:04:05+05:00"}.items()
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What the target reads, with a lock, and an engine that is none."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "deployment/docker", folder / "deployment/docker")
    for name in ("Makefile", "VERSION"):
        shutil.copy(ROOT / name, folder)
    (folder / "uv.lock").write_text("version = 1\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/docker").write_text(STAND_IN)
    (tmp_path / "bin/docker").chmod(0o755)
    return folder


def make(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    dropped = ("MAKE", "MFLAGS", "ARGS", "TORCH", "PIP_FIND_LINKS", "UV_", "GIT_DIR", "REGISTRY", "PUSH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    kept |= {
        "PATH": f"{project.parent / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "ASKED": str(project.parent / "asked"),
    }
    command = ["make", "--silent", "images", *arguments]
    return subprocess.run(command, cwd=project, env=kept | environment, capture_output=True, text=True)


def asked(project: Path) -> list[list[str]]:
    """The arguments of each call but `docker info`."""
    text = (project.parent / "asked").read_text(encoding="utf-8")
    return [call.splitlines() for call in text.strip().split("\n\n")]


def build_arguments(call: list[str]) -> dict[str, str]:
    pairs = [call[place + 1] for place, word in enumerate(call) if word == "--build-arg"]
    return dict(pair.partition("=")[::2] for pair in pairs)


def git(project: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=project, env=os.environ | IDENTITY, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_every_image_is_built_from_its_file_and_tagged_with_the_version(project: Path):
    done = make(project, "ARGS=--no-cache --network=host")
    assert (done.returncode, done.stderr) == (0, "")
    version = (ROOT / "VERSION").read_text().strip()
    names = [path.name.removesuffix(".Dockerfile") for path in (ROOT / "deployment/docker").glob("*.Dockerfile")]
    calls = asked(project)
    for call in calls:
        assert (call[0], call[-3:]) == ("build", ["--no-cache", "--network=host", "."])
    files = {call[call.index("--file") + 1]: call[call.index("--tag") + 1] for call in calls}
    assert files == {f"deployment/docker/{name}.Dockerfile": f"{PACKAGE}-{name}:{version}" for name in names}
    assert {build_arguments(call)["VERSION"] for call in calls} == {version}
    assert [build_arguments(call).get("TORCH") for call in calls if "trainer" in " ".join(call)] == ["cpu"]


def test_without_a_repository_nothing_is_said_of_a_commit(project: Path):
    git(project.parent, "init", "--quiet")  # a repository further up is another project's
    git(project.parent, "add", "--all")
    git(project.parent, "commit", "--quiet", "--message", "another project")
    make(project, "IMAGES=api")
    (call,) = asked(project)
    assert build_arguments(call).keys() == {"VERSION"}


def test_labels_are_of_the_commit(project: Path):
    git(project, "init", "--quiet")
    # pragma: allowlist nextline secret
    git(project, "remote", "add", "origin", "https://someone:secret@git.example.com/team/project.git")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "first")
    make(project, "IMAGES=trainer api", "TORCH=cuda")
    (project / "VERSION").write_text("9.9.9\n")
    make(project, "IMAGES=api")
    trainer, api, changed = map(build_arguments, asked(project))
    commit = git(project, "rev-parse", "HEAD")
    facts = {
        "REVISION": commit,
        "CREATED": "2026-01-01T22:04:05Z",
        "SOURCE": "https://git.example.com/team/project.git",
        "SOURCE_DATE_EPOCH": "1767305045",
    }
    assert facts.items() <= api.items()
    assert trainer == api | {"TORCH": "cuda"}
    assert changed == facts | {"REVISION": f"{commit}-dirty", "VERSION": "9.9.9"}


def test_the_folder_of_wheels_that_the_lock_was_made_with_takes_part(project: Path):
    make(project, "IMAGES=api", PIP_FIND_LINKS="/somewhere/wheels")
    (call,) = asked(project)
    assert call[call.index("--build-context") + 1] == "wheels=/somewhere/wheels"
    assert {"UV_FIND_LINKS": "", "UV_NO_SOURCES": ""}.items() <= build_arguments(call).items()  # from the environment


def test_images_of_a_registry_are_pushed_unless_they_are_there(project: Path):
    version = (ROOT / "VERSION").read_text().strip()
    registry = "registry.example.com/team"
    done = make(project, "IMAGES=api trainer", REGISTRY=registry)
    assert [call[0] for call in asked(project)] == ["build", "build"]
    (project.parent / "asked").unlink()
    done = make(project, "IMAGES=api trainer", REGISTRY=registry, PUSH="1", THERE=f"{PACKAGE}-trainer:{version}")
    build, push = asked(project)
    assert build[build.index("--tag") + 1] == f"{registry}/{PACKAGE}-api:{version}"
    assert push == ["push", "--quiet", f"{registry}/{PACKAGE}-api:{version}"]
    assert f"{registry}/{PACKAGE}-trainer:{version} is in the registry" in done.stdout
    (project.parent / "asked").unlink()
    for trouble in ("connection refused", "executable file not found in $PATH", "1.404.0: bad gateway"):
        done = make(project, "IMAGES=api", REGISTRY=registry, PUSH="1", TROUBLE=trouble)
        what = f"whether {registry}/{PACKAGE}-api:{version} is in the registry cannot be told (ERROR: {trouble})"
        assert (done.returncode, done.stderr.splitlines()[0]) == (2, f"error: {what}: try again")
    assert not (project.parent / "asked").exists()


def test_images_of_uncommitted_changes_are_not_pushed(project: Path):
    git(project, "init", "--quiet")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "first")
    (project / "loose").touch()
    done = make(project, "IMAGES=api", REGISTRY="registry.example.com/team", PUSH="1")
    said = "error: changes are uncommitted, so no tag would say what is in the images: commit them"
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, said)
    assert not (project.parent / "asked").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"PUSH": "1"}, "error: PUSH=1 needs REGISTRY=host/path: where should the images go?"),
        ({"PUSH": "yes", "REGISTRY": "a/b"}, "error: PUSH is yes: set it to 1 to push, or leave it out"),
    ],
)
def test_a_push_that_leads_nowhere_is_refused(project: Path, given: dict[str, str], said: str):
    done = make(project, **given)
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, said)


@pytest.mark.parametrize(
    ("lacks", "arguments", "said"),
    [
        ("lock", (), "error: there is no uv.lock, from which images are installed: run make setup, and commit it"),
        ("engine", (), "error: no container engine answers `docker info`: start one, or set DOCKER_HOST"),
        (None, ("IMAGES=api web",), "error: there is no deployment/docker/web.Dockerfile: IMAGES is a list of api "),
    ],
)
def test_refusals_are_one_line(project: Path, lacks: str | None, arguments: tuple[str, ...], said: str):
    if lacks == "lock":
        (project / "uv.lock").unlink()
    done = make(project, *arguments, ENGINE_STATUS="1" if lacks == "engine" else "0")
    line, *others = done.stderr.splitlines()
    assert line.startswith(said)
    assert done.returncode == 2
    assert [other for other in others if not other.startswith("make")] == []
