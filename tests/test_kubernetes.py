"""The manifests of bakes: every choice of features renders, names fit Kubernetes, checkov finds nothing unexplained."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from baking import Bake, clean_env
from options import COMBINATIONS, EVERYTHING, NOTHING, Answers
from uv import find_uv_bin

pytestmark = pytest.mark.slow
MakeBake = Callable[..., Bake]
CHECKOV = "checkov>=3.2,<4"
STAGES = ("staging", "prod")
OPTIONAL = ("batch", "metrics")
"""Components that every bake has, switched off."""


def rendered(project: Bake, environment: Path, stage: str) -> str:
    """What a cluster would get."""
    return project.run(str(environment / "bin/kubectl"), "kustomize", f"deployment/k8s/overlays/{stage}")


def switch_on(project: Bake, *components: str) -> None:
    """As docs/kubernetes.md does it."""
    with (project.path / "deployment/k8s/base/kustomization.yaml").open("a", encoding="utf-8") as file:
        file.writelines(f"  - ../components/{name}\n" for name in components)


@pytest.mark.parametrize("name", [*COMBINATIONS])
def test_what_was_asked_for_is_rolled_out(bake: MakeBake, bake_environment: Path, name: str) -> None:
    answers = COMBINATIONS[name]
    project = bake(project_slug="a_b", **answers)
    wanted = {"api": True, "dashboard": answers["dashboard"] != "none", "triton": answers["use_triton"]}
    for stage in STAGES:
        manifests = yaml.safe_load_all(rendered(project, bake_environment, stage))
        deployments = {one["metadata"]["name"] for one in manifests if one["kind"] == "Deployment"}
        assert deployments == {f"a-b-{what}" for what, on in wanted.items() if on}


@pytest.mark.parametrize("slug", ["a", f"{'a' * 39}_{'b' * 80}"], ids=["short", "long"])
def test_names_fit(bake: MakeBake, bake_environment: Path, slug: str) -> None:
    """The suite of a bake looks at lengths, and knows the slugs of no other."""
    project = bake(project_slug=slug, **EVERYTHING[0])
    switch_on(project, *OPTIONAL)
    tests = ["tests/unit/test_k8s.py", "tests/unit/test_k8s_wiring.py"]
    project.run(str(bake_environment / "bin/python"), "-m", "pytest", "-q", *tests)


@pytest.mark.parametrize("answers", [NOTHING, *EVERYTHING], ids=["nothing", "streamlit", "nicegui"])
def test_checkov(bake: MakeBake, bake_environment: Path, tmp_path: Path, answers: Answers) -> None:
    """What it finds is what the file beside the manifests explains, and no more is explained than is found."""
    project = bake(**answers)
    switch_on(project, *OPTIONAL)
    for stage in STAGES:
        (tmp_path / f"{stage}.yaml").write_text(rendered(project, bake_environment, stage), encoding="utf-8")
    config = yaml.safe_load(project.text("deployment/k8s/checkov.yaml"))
    explained = set(config.pop("skip-check"))
    (tmp_path / "checkov").write_text(yaml.safe_dump(config), encoding="utf-8")
    report = checkov(tmp_path)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 100
    assert {check["check_id"] for check in report["results"]["failed_checks"]} == explained


def checkov(folder: Path) -> dict[str, Any]:
    """Its report; in an environment of its own, since it pins what other tools want in other versions."""
    command = [find_uv_bin(), "tool", "run", "--from", CHECKOV, "checkov"]
    options = ["--config-file", "checkov", "--directory", ".", "--output", "json", "--soft-fail"]
    done = subprocess.run(
        [*command, *options], cwd=folder, env=clean_env(), stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report
