"""What the pages say to type at a cluster: secrets as the pods want them, every deployment, always a namespace."""

import base64
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.manifests import STAGES, containers, everything, kubectl, of_kind
from tests.pages import BLOCK
from tests.project import ROOT

PAGE = (ROOT / "docs/kubernetes.md").read_text(encoding="utf-8")
PAGES = ("docs/kubernetes.md", "deployment/k8s/README.md", "README.md")
KUBECTL = """#!/bin/sh
case "$1" in apply) echo ---; exec cat ;; esac
exec "{kubectl}" "$@"
"""
"""The real one, but for a cluster's part: what it would be given is printed."""


def typed(folder: Path, password: str) -> dict[str, dict[str, str]]:
    """By name, the secrets that a cluster is given when somebody types the page's lines, all of them, errors or none."""
    blocks = [found["text"] for found in BLOCK.finditer(PAGE)]
    functions, read, making = [text for text in blocks if re.search(r"secret\(\)|read -rs|apply\(\)", text)]
    command = folder / "kubectl"
    command.write_text(KUBECTL.format(kubectl=kubectl()), encoding="utf-8")
    command.chmod(0o755)
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-i"], input=f"{functions}{read}{password}\necho ===\n{making}",
        env=os.environ | {"PATH": os.pathsep.join([str(folder), os.environ["PATH"]]), "HISTFILE": str(folder / "typed")},
        start_new_session=True, capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    given: list[dict[str, Any] | None] = list(yaml.safe_load_all(done.stdout.partition("===\n")[2]))
    return {
        one["metadata"]["name"]: {key: base64.b64decode(text).decode() for key, text in one.get("data", {}).items()}
        for one in given
        if one
    }


def test_all_secrets_that_pods_want_are_made(tmp_path: Path) -> None:
    secrets = typed(tmp_path, "the reader's own")
    wanted = {
        (one["valueFrom"]["secretKeyRef"]["name"], one["valueFrom"]["secretKeyRef"]["key"])
        for stage in STAGES
        for _, container in containers(everything()[stage])
        for one in container.get("env", ())
        if "secretKeyRef" in one.get("valueFrom", {})
    }
    assert {(name, key) for name, values in secrets.items() for key in values} == wanted
    values = {key: text for one in secrets.values() for key, text in one.items()}
    assert values.pop("MLFLOW_TRACKING_USERNAME") == "reader"
    assert values.pop("MLFLOW_TRACKING_PASSWORD") == "the reader's own"
    assert all(re.fullmatch(r"[0-9a-f]{64}", text) for text in values.values())
    others = [text for key, text in values.items() if "API_KEY" not in key]
    clients = {text for key, text in values.items() if "API_KEY" in key}
    assert clients == {values["SERVING_API_KEYS"]}, "the service knows its clients' key"
    assert len({*others, *clients}) == len(others) + 1


def test_what_cannot_be_made_is_no_secret(tmp_path: Path) -> None:
    """An empty key would open the service."""
    python = tmp_path / "python3"
    python.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    python.chmod(0o755)
    assert typed(tmp_path, "") == {}


@pytest.mark.parametrize("stage", STAGES)
def test_every_deployment_is_waited_for(stage: str) -> None:
    waited = re.findall(r"^kubectl rollout status .*deployment/(\S+)", PAGE, re.MULTILINE)
    assert sorted(waited) == sorted(one["metadata"]["name"] for one in of_kind(everything()[stage], "Deployment"))


@pytest.mark.parametrize("page", PAGES)
def test_every_command_names_a_namespace(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    commands = re.findall(r"kubectl (?:apply|diff|get|port-forward|rollout|top) [^`\n]+", text)
    assert commands
    assert [command for command in commands if "--namespace " not in command] == []
