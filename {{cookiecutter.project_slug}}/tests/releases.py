"""A repository with releases, for tests of what rolls one out: the manifests, the tools, and images of a few bytes."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests import repositories
from tests.project import PACKAGE, ROOT, environment_of

RECIPE = "FROM scratch\nCOPY VERSION /\n"


@dataclass(frozen=True)
class Repository:
    """One whose commits are releases.

    Args:
        folder: the checkout.
    """

    folder: Path

    def git(self, *arguments: str) -> str:
        """What git prints."""
        return repositories.git(self.folder, *arguments)

    def release(self, version: str) -> None:
        """A commit that says so in VERSION and in its manifests, with its tag."""
        (self.folder / "VERSION").write_text(f"{version}\n", encoding="utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", version)
        self.git("tag", "--annotate", f"v{version}", "--message", version)

    def deploy(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the tool with a pipeline's variables."""
        return self.run(sys.executable, "-m", "tools.deploy", *arguments, **variables)

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program in the checkout."""
        kept = {name: value for name, value in environment_of().items() if not name.startswith(("CI", "GIT_"))}
        return subprocess.run(command, cwd=self.folder, env=kept | variables, capture_output=True, text=True)


def repository(folder: Path) -> Repository:
    """The project's manifests and tools, in git, without a release."""
    for name in ("tools", "deployment/k8s", "deployment/docker"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (folder / "deployment/docker").glob("*.Dockerfile"):
        path.write_text(RECIPE, encoding="utf-8")
    (folder / "uv.lock").write_text("version = 1\n", encoding="utf-8")
    (folder / ".gitignore").write_text("/outputs/\n__pycache__/\n", encoding="utf-8")
    made = Repository(folder)
    made.git("init", "--quiet")
    return made


def images() -> list[str]:
    """The names of all images of the project."""
    paths = (ROOT / "deployment/docker").glob("*.Dockerfile")
    return sorted(f"{PACKAGE}-{path.name.removesuffix('.Dockerfile')}" for path in paths)


def program(folder: Path, name: str, text: str) -> str:
    """A PATH on which a program of ours comes first."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    (folder / name).chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"
