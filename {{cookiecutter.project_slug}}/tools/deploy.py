"""Roll out a release: `deploy.py checkout` takes its tree out of git, `deploy.py apply` brings a cluster to it.

A tag says itself which release it is, and is rolled out to prod; by hand RELEASE and OVERLAY say it. Images lie under
IMAGE_REGISTRY; no tracked file is changed for that. `apply --render` prints what would be applied, and asks no cluster.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import NoReturn

import yaml

from tools.images import Manifest, placed

RELEASE = Path("outputs/release")
"""Where the release's tree is taken out: ignored by git, and left alone by everything else."""
REGISTRY = r"[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*"
SECONDS = 900
"""A rollout waits so long for its pods, as long as the Deployment itself does."""


@dataclass(frozen=True)
class Rollout:
    """What is rolled out.

    Args:
        tag: of the release, vX.Y.Z.
        overlay: the folder of deployment/k8s/overlays.
    """

    tag: str
    overlay: str


def asked(environment: Mapping[str, str]) -> Rollout:
    """The rollout that the pipeline is there for.

    Raises:
        ValueError: a variable is missing, or is not what it has to be.
    """
    if environment.get("CI_PIPELINE_EVENT") == "tag":
        variable, tag, overlay = "CI_COMMIT_TAG", environment.get("CI_COMMIT_TAG", ""), "prod"
    else:
        variable, tag, overlay = "RELEASE", environment.get("RELEASE", ""), environment.get("OVERLAY", "")
        for name in ("RUN", "MODEL", "VERSION", "TO", "EXPERIMENT"):
            if environment.get(name):
                raise ValueError(f"{name} is set, which ACTION=deploy does not take: leave it out")
    if not re.fullmatch(r"v(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", tag):
        raise ValueError(f"{variable} is {tag!r}: it has to be the tag of a release, vX.Y.Z")
    if overlay not in ("staging", "prod"):
        raise ValueError(f"OVERLAY is {overlay!r}: it has to be staging or prod")
    return Rollout(tag, overlay)


def check_out(rollout: Rollout) -> None:
    """Take the release's tree out of git, beside this one.

    Raises:
        ValueError: there is no such tag, or its tree is not that of the release.
    """
    tag = rollout.tag
    if _git("rev-parse", "--verify", "--quiet", f"refs/tags/{tag}").returncode:
        raise ValueError(f"there is no tag {tag}: `git tag --list 'v*'` shows those that are")
    version = _git("show", f"{tag}:VERSION").stdout.strip()
    if version != tag[1:]:
        raise ValueError(f"VERSION says {version or 'nothing'} at {tag}: it is not the tag of a release")
    if _git("cat-file", "-e", f"{tag}:uv.lock").returncode:
        raise ValueError(f"there is no uv.lock at {tag}, from which images are installed")
    shutil.rmtree(RELEASE, ignore_errors=True)
    _git("worktree", "prune")
    done = _git("worktree", "add", "--detach", str(RELEASE), f"refs/tags/{tag}")
    if done.returncode:
        raise ValueError(f"git cannot check {tag} out: {done.stderr.strip().splitlines()[-1]}")


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], capture_output=True, text=True)


@contextmanager
def kustomized(rollout: Rollout, registry: str) -> Iterator[tuple[Path, list[Manifest]]]:
    """A folder for `kubectl --kustomize` with the release's overlay and the registry's images, and what it renders.

    Raises:
        ValueError: the release is not checked out, or is another; its manifests do not render.
    """
    version = rollout.tag[1:]
    if not (RELEASE / "VERSION").is_file() or (RELEASE / "VERSION").read_text("utf-8").strip() != version:
        raise ValueError(f"{RELEASE} does not hold {rollout.tag}: run the step before first")
    if not re.fullmatch(REGISTRY, registry):
        raise ValueError("IMAGE_REGISTRY is not host/path of a registry, in lower-case letters: set the secret")
    overlay = Path("deployment/k8s/overlays") / rollout.overlay
    with TemporaryDirectory(dir=RELEASE, prefix=".rollout-") as folder:
        images = placed(_rendered(RELEASE / overlay), registry, version)
        kustomization = {"resources": [f"../{overlay}"], "images": images}
        Path(folder, "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")
        yield Path(folder), _rendered(Path(folder))


def _rendered(folder: Path) -> list[Manifest]:
    done = subprocess.run([kubectl(), "kustomize", str(folder)], capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"{folder} does not render: {' '.join(done.stderr.split())}")
    return list(yaml.safe_load_all(done.stdout))


def kubectl() -> str:
    """The machine's kubectl, or this environment's.

    Raises:
        ValueError: there is none.
    """
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
    if found := shutil.which("kubectl", path=path):
        return found
    raise ValueError("there is no kubectl: run make setup, which brings one along")


@contextmanager
def cluster(environment: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The namespace, and an environment in which kubectl reaches it; the credentials are gone afterwards.

    Raises:
        ValueError: KUBE_CONFIG is none, or names no namespace.
    """
    try:
        config = yaml.safe_load(environment.get("KUBE_CONFIG", "")) or {}
        contexts = {one["name"]: one["context"] for one in config["contexts"]}
        namespace = contexts[config["current-context"]]["namespace"]
    except (yaml.YAMLError, KeyError, TypeError):
        raise ValueError(
            "KUBE_CONFIG is no kubeconfig whose current context names a namespace: set the secret (docs/ci.md)"
        ) from None
    with TemporaryDirectory() as folder:
        path = Path(folder, "config")
        path.touch(mode=0o600)
        path.write_text(environment["KUBE_CONFIG"], encoding="utf-8")
        kept = {name: value for name, value in environment.items() if name != "KUBE_CONFIG"}
        yield str(namespace), kept | {"KUBECONFIG": str(path)}


def roll_out(rollout: Rollout, environment: Mapping[str, str]) -> None:
    """Apply the overlay, and wait until every Deployment's pods are those of the release.

    Raises:
        ValueError: what `kustomized` and `cluster` refuse; kubectl failed, and has said why.
    """
    with (
        kustomized(rollout, environment.get("IMAGE_REGISTRY", "")) as (folder, manifests),
        cluster(environment) as (namespace, known),
    ):
        names = [one["metadata"]["name"] for one in manifests if one["kind"] == "Deployment"]
        waits = [["rollout", "status", f"deployment/{name}", f"--timeout={SECONDS}s"] for name in names]
        for command in [["apply", "--kustomize", str(folder)], *waits]:
            done = subprocess.run([kubectl(), *command, "--namespace", namespace], env=known)
            if done.returncode:
                raise ValueError(f"`kubectl {' '.join(command[:2])}` failed: what it says is above")


def _end(number: int, _: FrameType | None) -> NoReturn:
    """End in an orderly way, so that credentials do not stay behind."""
    sys.exit(128 + number)


def main() -> None:
    """Read the pipeline's variables and do one of the two steps."""
    parser = argparse.ArgumentParser(description="Roll out a release.")
    parser.add_argument("step", choices=["checkout", "apply"])
    parser.add_argument("--render", action="store_true", help="with apply: print the manifests, and apply none")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    try:
        rollout = asked(os.environ)
        if options.step == "checkout":
            check_out(rollout)
        elif options.render:
            with kustomized(rollout, os.environ.get("IMAGE_REGISTRY", "")) as (_, manifests):
                print(yaml.safe_dump_all(manifests, sort_keys=False), end="")
        else:
            roll_out(rollout, os.environ)
    except ValueError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
