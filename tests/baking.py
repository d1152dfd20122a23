"""A baked project as an object, and the environment that its commands run in."""

import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uv import find_uv_bin

ROOT = Path(__file__).parents[1]
FOLDER = "{{cookiecutter.project_slug}}"
HOOK = ROOT / "hooks" / "post_gen_project.py"
# What an outer make, git, virtual environment or pytest leaves behind and a command in a bake would pick up.
LEFTOVERS = {
    "ARGS", "DEMO", "MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "PYTHON", "VENV",
    "GIT_DIR", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_WORK_TREE",
    "PYTHONHOME", "PYTHONPATH", "UV_FIND_LINKS", "UV_NO_SOURCES", "VIRTUAL_ENV",
}  # fmt: skip
IDENTITY = {
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.com",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.com",
}


WORKERS = "PYTEST_XDIST_AUTO_NUM_WORKERS"
"""How many processes `make test` of a bake has, where that shall not be one per core."""
# What all bakes share, so that each is installed once.
SHARED = {"TRITON_LOCAL": str(ROOT / ".triton")}


def clean_env(**extra: str) -> dict[str, str]:
    """The caller's environment without leftovers, with an identity for git and uv as the last entry of PATH."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == WORKERS or (name not in LEFTOVERS and not name.startswith(("PYTEST_", "MLFLOW_")))
    }
    path = os.pathsep.join([kept.get("PATH", os.defpath), str(Path(find_uv_bin()).parent)])
    return IDENTITY | SHARED | kept | {"PATH": path} | extra


def output(*command: str, cwd: Path, **extra: str) -> str:
    """What a command prints on both streams; a failure raises with all of it."""
    done = subprocess.run(
        command, cwd=cwd, env=clean_env(**extra), stdin=subprocess.DEVNULL, text=True, encoding="utf-8",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if done.returncode:
        raise AssertionError(f"{' '.join(command)} exited {done.returncode}:\n{done.stdout}")
    return done.stdout


def streamed(*command: str, cwd: Path, **extra: str) -> str:
    """What a command prints, shown line by line while it runs; a failure raises."""
    print("\n$", *command, flush=True)
    printed = ""
    with subprocess.Popen(
        command, cwd=cwd, env=clean_env(**extra), stdin=subprocess.DEVNULL, text=True, encoding="utf-8",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as running:  # fmt: skip
        for line in running.stdout or ():
            print(line, end="", flush=True)
            printed += line
    assert running.returncode == 0, f"{' '.join(command)} exited {running.returncode}"
    return printed


def check_nothing_left_out(printed: str) -> None:
    """What a bake's tests print tells of none that did not run, where continuous integration says that all can."""
    if os.environ.get("ML_TEMPLATE_STRICT"):
        assert not [line for line in printed.splitlines() if line.startswith("SKIPPED")]
    if os.environ.get("ML_TEMPLATE_CONTAINERS"):
        assert " are left out: " not in printed


def tracked(folder: Path) -> list[str]:
    """The files that a commit of everything would hold, as posix paths."""
    listed = output("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=folder)
    return sorted({name for name in listed.split("\0") if name and (folder / name).is_file()})


def copy_template(folder: Path) -> Path:
    """Copy the template's files, as a commit of everything would hold them, into a new folder."""
    for name in tracked(ROOT):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    return folder


def features() -> dict[str, list[str]]:
    """The hook's table: the paths that belong to each feature, SLUG standing for the package."""
    for node in ast.parse(HOOK.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "PATHS":
            assert node.value is not None
            table: dict[str, list[str]] = ast.literal_eval(node.value)
            return table
    raise AssertionError(f"{HOOK.name} has no PATHS")


def switched_on(answers: Mapping[str, str | bool]) -> set[str]:
    """The features that a set of answers asks for."""
    dashboard = str(answers.get("dashboard", "none"))
    flags = {flag for flag in ("use_dvc", "use_triton") if answers.get(flag) is True}
    return flags | ({"dashboard", dashboard} if dashboard != "none" else set())


def owned(name: str, feature: str) -> bool:
    """Whether a file of the template folder, its slug not yet filled in, belongs to the feature."""
    paths = [path.replace("SLUG", FOLDER) for path in features()[feature]]
    return any(name == path or name.startswith(f"{path}/") for path in paths)


def commit(folder: Path, tag: str) -> None:
    """Commit all that git sees in the folder, made a repository if it is none, and tag it."""
    output("git", "init", "--quiet", cwd=folder)
    output("git", "add", "--all", cwd=folder)
    output("git", "commit", "--quiet", "--no-verify", "--message", tag, cwd=folder)
    output("git", "tag", tag, cwd=folder)


@dataclass(frozen=True)
class Bake:
    """One rendered project."""

    path: Path

    def files(self) -> set[str]:
        """Every file below the project, as posix paths; git's own are left out."""
        found = (file.relative_to(self.path) for file in self.path.rglob("*") if file.is_file())
        return {file.as_posix() for file in found if file.parts[0] != ".git"}

    def text(self, name: str) -> str:
        """A file's text; bytes that are none, as in the tables of the released contracts, stay what they are."""
        return (self.path / name).read_text(encoding="utf-8", errors="surrogateescape")

    def toml(self, name: str) -> dict[str, Any]:
        """A TOML file's tables."""
        return tomllib.loads(self.text(name))

    def run(self, *command: str, **extra: str) -> str:
        """Run a command in the project; its output, or a failure that shows it."""
        return output(*command, cwd=self.path, **extra)

    def extras(self) -> list[str]:
        """Its extras; of the two builds of torch, the CPU's."""
        return [name for name in self.toml("pyproject.toml")["project"]["optional-dependencies"] if name != "cuda"]


def shared_environment(projects: list[Bake]) -> Path:
    """The one virtual environment for all bakes, made anew when what one of the projects depends on has changed."""
    tables = [project.toml("pyproject.toml") for project in projects]
    wanted = [
        [table["project"]["dependencies"], table["project"]["optional-dependencies"], table["dependency-groups"]]
        for table in tables
    ]
    key = hashlib.sha256(json.dumps([sys.version, wanted], sort_keys=True).encode()).hexdigest()
    venv = ROOT / ".bake-venv"
    stamp = venv / ".key"
    if stamp.is_file() and stamp.read_text() == key:
        return venv
    uv = find_uv_bin()
    wheels = os.environ.get("PIP_FIND_LINKS")
    sources = {"UV_NO_SOURCES": "1", "UV_FIND_LINKS": wheels} if wheels else {}
    projects[0].run(uv, "venv", "--clear", "--python", sys.executable, str(venv))
    for project in projects:
        extras = [word for extra in project.extras() for word in ("--extra", extra)]
        project.run(
            uv, "pip", "install", "--python", str(venv), "--requirements", "pyproject.toml", *extras, "--group", "dev",
            **sources,
        )  # fmt: skip
    stamp.write_text(key)
    return venv
