"""The manifests of deployment/k8s as a cluster gets them, and what their parts lead to."""

import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from omegaconf import DictConfig, OmegaConf

from {{ cookiecutter.project_slug }}.utils.verb import compose

from tests.project import ROOT

Manifest = dict[str, Any]
FOLDER = ROOT / "deployment/k8s"
VARIABLE = re.compile(r"\$\((\w+)\)")
OPTIONAL = ("batch", "metrics")
"""Components that a new project has switched off."""


def stages() -> tuple[str, ...]:
    """The overlays of the base itself; one upon another overlay is somebody's own."""
    paths = sorted((FOLDER / "overlays").glob("*/kustomization.yaml"))
    return tuple(path.parent.name for path in paths if "../../base" in read(path)["resources"])


def read(path: Path) -> Manifest:
    """A file of YAML."""
    found: Manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


STAGES = stages()


def kubectl() -> str:
    """This environment's kubectl, or the machine's; the test is skipped where there is none."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    found = shutil.which("kubectl", path=path)
    if found is None:
        pytest.skip("there is no kubectl: install the development tools, which hold one, or put yours on the PATH")
    return found


def copied(folder: Path, off: Collection[str] = ()) -> Path:
    """A copy of the manifests with every component switched on, but for those that are to be off."""
    shutil.copytree(FOLDER, folder)
    base = folder / "base/kustomization.yaml"
    names = sorted(path.name for path in (FOLDER / "components").iterdir() if path.name not in off)
    base.write_text(yaml.safe_dump(read(base) | {"components": [f"../components/{name}" for name in names]}), "utf-8")
    return folder


def rendered(folder: Path) -> list[Manifest]:
    """What `kubectl apply -k` of a folder would send."""
    done = subprocess.run([kubectl(), "kustomize", str(folder)], capture_output=True, text=True, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return list(yaml.safe_load_all(done.stdout))


@cache
def everything() -> dict[str, list[Manifest]]:
    """By stage, what is rendered with every component switched on."""
    with TemporaryDirectory() as folder:
        whole = copied(Path(folder) / "k8s")
        return {stage: rendered(whole / "overlays" / stage) for stage in STAGES}


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """The one of a kind whose name ends so; the project's name stands before it."""
    (found,) = [one for one in manifests if one["kind"] == kind and one["metadata"]["name"].endswith(name)]
    return found


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    """All of a kind."""
    return [one for one in manifests if one["kind"] == kind]


def templates(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Every pod's template, labels and all, with the name of what makes such pods."""
    for one in manifests:
        spec = one.get("spec", {})
        if one["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if "template" in spec:
            yield one["metadata"]["name"], spec["template"]


def by_command(manifests: list[Manifest], *command: str) -> tuple[Manifest, Manifest]:
    """The one container that runs this, with the specification of its pod."""
    (found,) = [(spec, one) for spec, one in containers(manifests) if one["command"] == [*command]]
    return found


def containers(manifests: list[Manifest]) -> Iterator[tuple[Manifest, Manifest]]:
    """Every container, with the specification of its pod."""
    for _, template in templates(manifests):
        spec = template["spec"]
        for one in [*spec.get("initContainers", ()), *spec["containers"]]:
            yield spec, one


def selected(manifests: list[Manifest], labels: Mapping[str, str]) -> list[Manifest]:
    """The pods' templates with these labels."""
    return [one for _, one in templates(manifests) if labels.items() <= one["metadata"]["labels"].items()]


def ports(template: Manifest) -> dict[str, int]:
    """The ports of a pod by their names."""
    return {
        port["name"]: port["containerPort"] for one in template["spec"]["containers"] for port in one.get("ports", ())
    }


def processors(container: Manifest) -> int:
    """The limit, rounded up as the downward API does it."""
    limit = str(container["resources"]["limits"]["cpu"])
    return math.ceil(float(limit.removesuffix("m")) / 1000 if limit.endswith("m") else float(limit))


def environment(manifests: list[Manifest], container: Manifest) -> dict[str, str]:
    """The variables of a container; a secret's value is its place, `<secret>/<key>`."""
    values: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        values |= named(manifests, "ConfigMap", source["configMapRef"]["name"])["data"]
    for variable in container.get("env", ()):
        if "value" in variable:
            values[variable["name"]] = variable["value"]
            continue
        ((kind, source),) = variable["valueFrom"].items()
        if kind == "secretKeyRef":
            values[variable["name"]] = f"{source['name']}/{source['key']}"
        else:
            assert source == {"resource": "limits.cpu"}, variable
            values[variable["name"]] = str(processors(container))
    return values


def overrides(manifests: list[Manifest], container: Manifest, **instead: str) -> list[str]:
    """The arguments as the process gets them; `instead` are variables with other values."""
    values = environment(manifests, container) | instead
    return [VARIABLE.sub(lambda found: values[found[1]], argument) for argument in container["args"]]


def configured(manifests: list[Manifest], container: Manifest, verb: str) -> DictConfig:
    """The verb's configuration as the process composes it: the variables are set meanwhile, and nobody else's."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(manifests, container).items():
            patch.setenv(name, value)
        config = compose(verb, overrides(manifests, container))
        OmegaConf.resolve(config)
        return config


def writable(spec: Manifest, container: Manifest) -> dict[str, Manifest]:
    """The volumes that a container may write to, by their paths."""
    volumes = {volume["name"]: volume for volume in spec.get("volumes", ())}
    mounts = container.get("volumeMounts", ())
    return {mount["mountPath"]: volumes[mount["name"]] for mount in mounts if not mount.get("readOnly")}


def seconds_to_end(container: Manifest) -> int:
    """What the hook before SIGTERM takes of the grace period."""
    hook = container.get("lifecycle", {}).get("preStop", {})
    return int(hook["sleep"]["seconds"]) if hook else 0
