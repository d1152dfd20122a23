"""All that takes part in a release: a laptop with the project, a forge that has it, an agent of CI, and the registry."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.cli.promote import promote
from {{ cookiecutter.project_slug }}.cli.train import train
from {{ cookiecutter.project_slug }}.ports import Version

from deployment.docker.stack.accounts import settle
from tests import image_registries, registry_servers
from tests.clusters import CONFIG, Cluster, Engine
from tests.containers import lock, uv
from tests.pages import copy_of_the_project
from tests.project import FAST, ROOT, composed
from tests.registry_servers import PASSWORDS, RegistryServer
{%- if cookiecutter.use_triton %}
from tests.tritons import of_all_stages
{%- endif %}
from tests.woodpecker import events
from tests.woodpecker.agent import Agent, tools
from tools.release import release

WORSE, SOLID, BETTER = 2000, 300, 1
"""Penalties of the linear model by what they make of it: 64, 55 and 53 points off; a constant is 71 off."""
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
SECRETS = {
    **dict.fromkeys(("docker_ca", "docker_cert", "docker_key"), "of no use where the engine is local"),
    "docker_host": "unix:///of/a/stand-in",
    "image_registry": "registry.example.com/team",
    "image_registry_username": "ci",
    "image_registry_password": "an-example-only",  # pragma: allowlist secret
    "kube_config_staging": CONFIG.replace("NAMESPACE", "staging"),
    "kube_config_prod": CONFIG.replace("NAMESPACE", "prod"),
}


@dataclass(frozen=True)
class Ground:
    """What the worlds share: a registry, an agent with its environment, and the project as it is released."""

    folder: Path
    registry: RegistryServer
    agent: Agent
    cluster: Cluster
    engine: Engine

    def forget(self) -> None:
        """Let what engine and cluster were asked so far be of no account."""
        self.cluster.forget()
        self.engine.forget()

    def with_an_engine(self, folder: Path, address: str) -> Agent:
        """The agent of a machine with a real engine, which pushes to a registry; its programs are put into a folder."""
        secrets = {
            "docker_host": os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"),
            "image_registry": f"{address}/team",
            "image_registry_password": image_registries.PASSWORD,
        }
        known = {"DOCKER_CONFIG": os.environ["DOCKER_CONFIG"]} if "DOCKER_CONFIG" in os.environ else {}
        return replace(
            self.agent,
            tools=tools(folder / "tools", self.cluster.programs, ROOT / ".uv/bin"),
            secrets=self.agent.secrets | secrets,
            given=self.agent.given | known,
        )

    def world(self, name: str, change: Callable[[Path], None] | None = None) -> "World":
        """A repository of the project whose first commit is pushed, and whose model no version is known of.

        Args:
            name: of the model and the experiment.
            change: the project, before it is committed.
        """
        settle(self.registry.url, PASSWORDS, [(name, name)])
        laptop, origin = self.folder / name / "laptop", self.folder / name / "origin.git"
        shutil.copytree(self.folder / "project", laptop, symlinks=True)
        settings = laptop / "config/mlflow/default.yaml"
        text = re.sub(r"^(experiment|model): \S+", rf"\1: {name}", settings.read_text(encoding="utf-8"), flags=re.M)
        settings.write_text(text, encoding="utf-8")
        if change:
            change(laptop)
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch", "main", str(origin)], check=True)
        made = World(self, name, laptop, origin)
        made.git("init", "--quiet", "--initial-branch", "main")
        made.name_somebody()
        made.git("remote", "add", "origin", str(origin))
        made.commit("first")
        return made


@dataclass(frozen=True)
class World:
    """One project."""

    ground: Ground
    model: str
    laptop: Path
    origin: Path

    def git(self, *arguments: str) -> str:
        """What git prints on the laptop."""
        return events.git(self.laptop, *arguments)

    def name_somebody(self) -> None:
        """Say who commits."""
        for key, value in {"user.name": "Test", "user.email": "test@example.com"}.items():
            self.git("config", key, value)

    def twin(self, folder: Path) -> "World":
        """The same project on another laptop, with a forge of its own."""
        made = replace(self, laptop=folder / "laptop", origin=folder / "origin.git")
        subprocess.run(["git", "clone", "--quiet", "--bare", str(self.origin), str(made.origin)], check=True)
        subprocess.run(["git", "clone", "--quiet", str(made.origin), str(made.laptop)], check=True)
        made.name_somebody()
        return made

    def commit(self, message: str) -> None:
        """Commit everything and push it."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        self.push()

    def push(self) -> None:
        """Bring branches and tags to the forge."""
        self.git("push", "--quiet", "--all", "origin")
        self.git("push", "--quiet", "--tags", "origin")

    def release(self, step: str, *options: str) -> str:
        """What somebody does on a laptop to release: the helper, as somebody who may only read; returns the tag."""
        with self.inside("people"):
            tag = release([step, *options, "--execute"]).release.tag
        self.push()
        return tag

    def candidate(self, number: str) -> str:
        """Note what changed, and make the tag of a version's candidate."""
        changelog = self.laptop / "CHANGELOG.md"
        text = changelog.read_text(encoding="utf-8")
        head, unreleased, rest = text.partition("## [Unreleased]\n")
        changelog.write_text(f"{head}{unreleased}\n- Version {number}.\n{rest}", encoding="utf-8")
        self.commit(f"Describe version {number}")
        return self.release("candidate", "--version", number)

    def tag(self, name: str, number: str) -> str:
        """The tag of a version, made past the helper, which would refuse it."""
        (self.laptop / "VERSION").write_text(f"{name.removeprefix('v').partition('-')[0]}\n")
        changelog = self.laptop / "CHANGELOG.md"
        section = f"\n## [{name.removeprefix('v').partition('-')[0]}] - 2026-11-29\n"
        changelog.write_text(changelog.read_text(encoding="utf-8") + section, encoding="utf-8")
        self.commit(name)
        self.git("tag", "--annotate", name, "--message", f"Model: models:/{self.model}/{number}")
        self.push()
        return name

    def train(self, alpha: float, *overrides: str, account: str = "ci") -> str | None:
        """Train in this process, on the laptop, as an account of the registry; returns the version, if it became one."""
        with self.inside(account):
            made: Version | None = train(composed("train", f"model.regressor.alpha={alpha}", *FAST, *overrides))
        return made and made.version

    def promote(self, tag: str) -> None:
        """Promote in this process, as CI does it, without the gate that starts a server."""
        off = [f"promotion.{stage}.gates.deployable=null" for stage in ("staging", "prod")]
        with self.inside("ci"):
            promote(composed("promote", "promotion.ci=woodpecker", f"tag={tag}", *off))

    def runs(self) -> list[str]:
        """The ids of all runs of the experiment, the newest first."""
        door = self.ground.registry.door("reader")
        found = door.done("GET", "2.0/mlflow/experiments/get-by-name", experiment_name=self.model)
        number = found["experiment"]["experiment_id"]
        said = door.done("POST", "2.0/mlflow/runs/search", experiment_ids=[number], order_by=["start_time DESC"])
        return [run["info"]["run_id"] for run in said.get("runs", ())]

    @property
    def aliases(self) -> dict[str, str]:
        """Every alias, read back over the API."""
        return self.ground.registry.aliases(self.model)

    def facts(self, number: str) -> dict[str, str]:
        """The tags of a version, read back over the API."""
        return dict(self.ground.registry.version(number, self.model)["tags"])

    def parameters(self, number: str) -> dict[str, str]:
        """What the run of a version was configured with, read back over the API."""
        run = str(self.ground.registry.version(number, self.model)["run_id"])
        data = self.ground.registry.door("reader").done("GET", "2.0/mlflow/runs/get", run_id=run)["run"]["data"]
        return {one["key"]: one["value"] for one in data["params"]}

    @contextmanager
    def inside(self, account: str) -> Iterator[None]:
        """On the laptop, with what an account of the registry has in its environment."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.laptop)
            for name, value in self.ground.registry.account(account).items():
                patch.setenv(name, value)
            yield


@contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    """A registry that knows no version, an agent, and stand-ins for an engine and a cluster; all of it in a folder."""
    copy_of_the_project(folder / "project")
    (folder / "project/config/experiment/diabetes.yaml").write_text(EXPERIMENT, encoding="utf-8")
    (folder / "project/config/promotion/staging.yaml").write_text(STAGING, encoding="utf-8")
    lock(folder / "project")
    cluster, engine = Cluster(folder / "kubectl"), Engine(folder / "docker")
    programs = tools(folder / "tools", cluster.programs, engine.programs, ROOT / ".uv/bin")
    cache = Path(subprocess.run([uv(), "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip())
    for name in ("agent", "environment"):
        (folder / name).mkdir()
    indexes = {name: value for name, value in os.environ.items() if INDEXES.fullmatch(name)}
    with ExitStack() as servers:
        registry = servers.enter_context(registry_servers.running(folder / "registry"))
        known = {name.lower(): value for name, value in registry.account("ci").items()} | SECRETS
{%- if cookiecutter.use_triton %}
        known |= servers.enter_context(of_all_stages(folder / "triton"))
{%- endif %}
        agent = Agent(
            folder / "agent",
            programs,
            known,
            given=indexes | {"UV_CACHE_DIR": str(cache)},
            volumes={"/var/cache/uv": cache},
            environment=folder / "environment",
        )
        yield Ground(folder, registry, agent, cluster, engine)
