"""All that takes part in a release: a laptop with the project, a forge that has it, an agent of CI, and the registry."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.cli.promote import promote
from {{ cookiecutter.project_slug }}.cli.train import train
from {{ cookiecutter.project_slug }}.ports import Version

from tests import registry_servers
from tests.containers import lock, uv
from tests.pages import copy_of_the_project
from tests.project import FAST, PACKAGE, ROOT, composed
from tests.registry_servers import RegistryServer
from tests.woodpecker import events
from tests.woodpecker.agent import Agent, tools

IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
WORSE, SOLID, BETTER = 2000, 300, 1
"""Penalties of the linear model by what they make of it: 64, 57 and 54 points off; a constant is 71 off."""
EXPERIMENT = f"""# @package _global_
defaults:
  - override /data: diabetes
  - override /model: linear

description: Disease progression one year after baseline, in points
model:
  regressor:
    alpha: {SOLID}
evaluation:
  importance_repeats: 1
"""
STAGING = """# Everybody may try a model that is somewhat worse; prod must not get worse.
defaults:
  - gates
  - _self_

gates:
  quality:
    tolerance: 1.0
"""
INDEXES = re.compile(r"(UV|PIP|SSL|REQUESTS|CURL)_\w+|\w+_(proxy|PROXY)|(no|NO)_(proxy|PROXY)")
"""Variables that say how this machine reaches package indexes; an agent of its network has them too."""


@dataclass
class World:
    """A repository of the project on a laptop, its origin, and who else takes part."""

    laptop: Path
    origin: Path
    agent: Agent
    registry: RegistryServer

    def git(self, *arguments: str) -> str:
        """What git prints on the laptop."""
        return events.git(self.laptop, *IDENTITY, *arguments)

    def commit(self, message: str) -> str:
        """Commit everything and push it."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        self.push()
        return self.git("rev-parse", "HEAD")

    def push(self) -> None:
        """Bring branches and tags to the forge."""
        self.git("push", "--quiet", "--all", "origin")
        self.git("push", "--quiet", "--tags", "origin")

    def release(self, tag: str, version: str, message: str | None = None) -> str:
        """What the release helper does: numbers in VERSION and CHANGELOG, a commit, an annotated tag; then a push."""
        number = tag.removeprefix("v").partition("-")[0]
        (self.laptop / "VERSION").write_text(f"{number}\n")
        changelog = self.laptop / "CHANGELOG.md"
        text = changelog.read_text(encoding="utf-8")
        if f"## [{number}]" not in text:
            head, _, rest = text.partition("\n## ")
            changelog.write_text(f"{head}\n## [{number}] - 2026-11-29\n\n- Released.\n\n## {rest}", encoding="utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", f"Release {number}")
        annotation = f"Release {number}\n\nModel: models:/{PACKAGE}/{version}" if message is None else message
        self.git("tag", "--annotate", tag, "--message", annotation)
        self.push()
        return tag

    def train(self, alpha: float, *overrides: str, account: str = "ci") -> Version | None:
        """Train in this process, in the laptop's folder, as one of the accounts."""
        with self.inside(account):
            return train(composed("train", f"model.regressor.alpha={alpha}", *FAST, *overrides))

    def promote(self, *overrides: str) -> None:
        """Promote in this process, as CI does it, without the gate that starts a server."""
        off = [f"promotion.{stage}.gates.deployable=null" for stage in ("staging", "prod")]
        with self.inside("ci"):
            promote(composed("promote", "promotion.ci=woodpecker", *off, *overrides))

    @contextmanager
    def inside(self, account: str, folder: Path | None = None) -> Iterator[None]:
        """In the laptop's folder, or another one, with what an account of the registry has in its environment."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder or self.laptop)
            for name, value in self.registry.account(account).items():
                patch.setenv(name, value)
            yield


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """A project whose first commit is pushed, and a registry that knows no version of it."""
    with registry_servers.running(folder / "registry") as registry:
        yield make(folder, registry)


def make(folder: Path, registry: RegistryServer) -> World:
    """A project, its origin and an agent, for a registry that is there."""
    laptop, origin, agents = folder / "laptop", folder / "origin.git", folder / "agent"
    agents.mkdir()
    copy_of_the_project(laptop)
    (laptop / "config/experiment/diabetes.yaml").write_text(EXPERIMENT, encoding="utf-8")
    (laptop / "config/promotion/staging.yaml").write_text(STAGING, encoding="utf-8")
    indexes = {name: value for name, value in os.environ.items() if INDEXES.fullmatch(name)}
    lock(laptop)
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch", "main", str(origin)], check=True)
    programs = tools(folder / "tools", ROOT / ".uv/bin")
    secrets = {name.lower(): value for name, value in registry.account("ci").items()}
    cache = Path(subprocess.run([uv(), "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip())
    (folder / "environment").mkdir()
    agent = Agent(
        agents,
        programs,
        secrets,
        given=indexes | {"UV_CACHE_DIR": str(cache)},
        volumes={"/var/cache/uv": cache},
        environment=folder / "environment",
    )
    made = World(laptop, origin, agent, registry)
    made.git("init", "--quiet", "--initial-branch", "main")
    made.git("remote", "add", "origin", str(origin))
    made.commit("first")
    return made
