"""Triton's manifests: the release of the configuration, closed control, and a pod that is ready after its golden rows."""

import re

import pytest

from {{ cookiecutter.project_slug }}.schemas.config import validate
from {{ cookiecutter.project_slug }}.schemas.triton import TritonConfig

from tests.manifests import (
    STAGES,
    Manifest,
    by_command,
    configured,
    environment,
    everything,
    named,
    overrides,
    ports,
    read,
    seconds_to_end,
    writable,
)
from tests.project import PACKAGE, ROOT

CLOSED = "model-repository,shared-memory,trace,logging"
"""Triton's names for what is not for clients."""


@pytest.fixture(params=STAGES)
def stage(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def manifests(stage: str) -> list[Manifest]:
    return everything()[stage]


@pytest.fixture(autouse=True)
def in_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def followed(manifests: list[Manifest]) -> TritonConfig:
    """What the process beside Triton reads."""
    _, container = by_command(manifests, "python", "-m", f"{PACKAGE}.cli.triton")
    config: TritonConfig = validate(TritonConfig, configured(manifests, container, "triton"))
    return config


def test_beside_triton_the_alias_is_followed(manifests: list[Manifest], stage: str) -> None:
    spec, sync = by_command(manifests, "python", "-m", f"{PACKAGE}.cli.triton")
    _, triton = by_command(manifests, "tritonserver")
    config, options = followed(manifests), overrides(manifests, triton)
    assert config.reference == f"models:/{environment(manifests, sync)['MODEL']}@{stage}"
    assert (config.sync, config.poll_seconds, config.logging.format) == (True, 15, "json")
    assert config.server == f"127.0.0.1:{ports({'spec': spec})['http']}", (
        "its own Triton, not whichever the Service picks"
    )
    assert config.mlflow.tracking_uri == environment(manifests, sync)["MLFLOW_TRACKING_URI"]
    assert f"--model-repository={config.repository}" in options
    assert set(writable(spec, sync)) == {config.repository, "/tmp"}
    assert set(writable(spec, triton)) == {"/tmp"}, "Triton reads its repository"
    assert config.repository in {mount["mountPath"] for mount in triton["volumeMounts"]}


def test_nobody_else_loads_models(manifests: list[Manifest]) -> None:
    """Both doors ask for the key that the process beside Triton sends, and for all that is not for clients."""
    _, triton = by_command(manifests, "tritonserver")
    key = followed(manifests).control_key
    assert key is not None
    for option in ("--http-restricted-api", "--grpc-restricted-protocol"):
        assert f"{option}={CLOSED}:control-key={key.get_secret_value()}" in overrides(manifests, triton)
    assert "--model-control-mode=explicit" in triton["args"]


def test_the_stack_starts_it_the_same(manifests: list[Manifest]) -> None:
    _, triton = by_command(manifests, "tritonserver")
    service = read(ROOT / "compose.yaml")["services"]["triton"]
    first, *options = (
        re.sub(r"\$\{STACK_TRITON_KEY:[^}]+\}", "$(TRITON_CONTROL_KEY)", one) for one in service["command"]
    )
    assert (first, options) == ("tritonserver", triton["args"])


def test_the_image_is_the_release_that_graphs_are_checked_for(manifests: list[Manifest]) -> None:
    _, triton = by_command(manifests, "tritonserver")
    assert triton["image"] == f"nvcr.io/nvidia/tritonserver:{followed(manifests).release}-py3"


def test_ready_is_who_serves_the_model(manifests: list[Manifest]) -> None:
    """A Triton without a model is live, and its /v2/health/ready answers 200."""
    _, triton = by_command(manifests, "tritonserver")
    name = followed(manifests).reference.removeprefix("models:/").partition("@")[0]
    assert triton["readinessProbe"]["httpGet"]["path"] == f"/v2/models/{name}/ready"
    assert triton["livenessProbe"]["httpGet"]["path"] == triton["startupProbe"]["httpGet"]["path"] == "/v2/health/live"


def test_ends_without_dropping_a_request(manifests: list[Manifest]) -> None:
    spec, triton = by_command(manifests, "tritonserver")
    (seconds,) = re.findall(r"--exit-timeout-secs=(\d+)", " ".join(triton["args"]))
    probe = triton["readinessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] < seconds_to_end(triton)
    assert seconds_to_end(triton) + int(seconds) < spec["terminationGracePeriodSeconds"]


def test_prometheus_finds_triton(manifests: list[Manifest]) -> None:
    """All of the document, since no schema knows it."""
    monitor, service = named(manifests, "ServiceMonitor", "-triton"), named(manifests, "Service", "-triton")
    assert {port["name"]: port["port"] for port in service["spec"]["ports"]} == {
        "http": 8000,
        "grpc": 8001,
        "metrics": 8002,
    }
    assert monitor == {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": {"name": service["metadata"]["name"], "labels": service["metadata"]["labels"]},
        "spec": {
            "selector": {"matchLabels": service["metadata"]["labels"]},
            "endpoints": [{"port": "metrics", "path": "/metrics", "interval": "30s"}],
        },
    }
