"""Programs that take the place of docker and kubectl, and write down what they were asked; kubectl really renders."""

import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

CONFIG = """\
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: here, user: here, namespace: NAMESPACE}}]
clusters: [{name: here, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: here, user: {token: "of-nobody"}}]
"""
KUBECTL = """#!/bin/sh
set -eu
[ "$1" != kustomize ] || exec "REAL" "$@"
grep --quiet current-context "$KUBECONFIG"
echo "$@" >>"FOLDER/asked"
[ "$1" != apply ] || "REAL" kustomize "$3" >"FOLDER/applied.yaml"
"""
DOCKER = """#!/bin/sh
set -eu
[ "$1" != info ] || exit 0
echo "$@" >>"FOLDER/asked"
case "$1" in
    login) grep --quiet . ;;
    buildx)
        grep --quiet --line-regexp -- "push --quiet $4" "FOLDER/asked" || { echo "ERROR: $4: not found" >&2; exit 1; }
        ;;
esac
"""


class Recorder:
    """A program on the PATH that keeps what it was asked.

    Args:
        folder: to be made.
        name: of the program.
        text: of it.
    """

    def __init__(self, folder: Path, name: str, text: str) -> None:
        self._folder, self.programs = folder, folder / "bin"
        self.programs.mkdir(parents=True)
        (self.programs / name).write_text(text.replace("FOLDER", str(folder)), encoding="utf-8")
        (self.programs / name).chmod(0o755)
        self.forget()

    @property
    def asked(self) -> list[str]:
        """Every command, in order."""
        return (self._folder / "asked").read_text(encoding="utf-8").splitlines()

    def forget(self) -> None:
        """Begin anew."""
        for name in ("asked", "applied.yaml"):
            (self._folder / name).write_text("", encoding="utf-8")


class Cluster(Recorder):
    """A `kubectl` that renders with the real one, and keeps what it would have applied."""

    def __init__(self, folder: Path) -> None:
        real = shutil.which("kubectl", path=str(Path(sys.executable).parent))
        assert real, "there is no kubectl beside this Python: run make setup"
        super().__init__(folder, "kubectl", KUBECTL.replace("REAL", real))

    @property
    def images(self) -> set[str]:
        """Of the containers of the Deployments that were applied last."""
        pods = [manifest["spec"]["template"]["spec"] for manifest in self._applied("Deployment")]
        return {container["image"] for pod in pods for container in pod["containers"]}

    @property
    def followed(self) -> set[str]:
        """The aliases that what was applied last follows."""
        return {found["data"]["ALIAS"] for found in self._applied("ConfigMap") if "ALIAS" in found.get("data", {})}

    def _applied(self, kind: str) -> list[dict[str, Any]]:
        with (self._folder / "applied.yaml").open(encoding="utf-8") as file:
            return [one for one in yaml.safe_load_all(file) if one["kind"] == kind]


class Engine(Recorder):
    """A `docker` whose registry has what was pushed to it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "docker", DOCKER)
