"""What the manifests say is what the project reads, and what they name is there."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from {{ cookiecutter.project_slug }}.schemas.config import PredictConfig, ServeConfig, validate

from deployment.api.keys import OPEN
from tests.manifests import (
    FOLDER,
    STAGES,
    VARIABLE,
    Manifest,
    by_command,
    configured,
    containers,
    environment,
    everything,
    named,
    of_kind,
    ports,
    processors,
    seconds_to_end,
    selected,
    templates,
    writable,
)
from tests.project import PACKAGE, ROOT


@pytest.fixture(autouse=True)
def in_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture(params=STAGES)
def stage(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def manifests(stage: str) -> list[Manifest]:
    return everything()[stage]


def test_the_service_gets_what_it_reads(manifests: list[Manifest], stage: str) -> None:
    """What the manifest says, composed with config/ as the process does it."""
    spec, container = by_command(manifests, "python", "-m", "deployment.api")
    values = environment(manifests, container)
    config = validate(ServeConfig, configured(manifests, container, "serve"))
    serving = config.serving
    assert serving.reference == f"models:/{values['MODEL']}@{stage}"
    assert serving.tracking_uri == values["MLFLOW_TRACKING_URI"]
    assert serving.keys == (values["SERVING_API_KEYS"],)
    assert (serving.host, serving.port) == ("0.0.0.0", ports({"spec": spec})["http"])
    assert (serving.pool_threads, serving.threads) == (processors(container), 1)
    assert set(writable(spec, container)) == {serving.cache_dir, "/tmp"}
    assert config.logging.format == "json"
    ends = seconds_to_end(container) + serving.drain_seconds + serving.finish_seconds
    assert ends < spec["terminationGracePeriodSeconds"]
    probe = container["readinessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] < serving.drain_seconds


def test_batch_scoring_gets_what_it_reads(manifests: list[Manifest], stage: str) -> None:
    spec, container = by_command(manifests, "python", "-m", f"{PACKAGE}.cli.predict")
    values = environment(manifests, container)
    config = validate(PredictConfig, configured(manifests, container, "predict"))
    assert config.reference == f"models:/{values['MODEL']}@{stage}"
    assert config.mlflow.tracking_uri == values["MLFLOW_TRACKING_URI"]
    assert config.threads == processors(container)
    volumes = writable(spec, container)
    assert set(volumes) == {"/data", "/tmp"}
    assert {str(Path(path).parent) for path in (config.input, config.output)} == {"/data"}
    claim = volumes["/data"]["persistentVolumeClaim"]["claimName"]
    assert [one["metadata"]["name"] for one in of_kind(manifests, "PersistentVolumeClaim")] == [claim]
    (job,) = of_kind(manifests, "CronJob")
    assert job["spec"]["concurrencyPolicy"] == "Forbid", "two runs on one output are refused"


def test_every_variable_is_read(manifests: list[Manifest]) -> None:
    """By config/, by an argument, or by MLflow's client."""
    from mlflow import environment_variables as of_mlflow

    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "config").rglob("*.yaml")]
    by_config = {name for text in texts for name in re.findall(r"oc\.env:(\w+)", text)}
    for _, container in containers(manifests):
        by_arguments = {name for argument in container["args"] for name in VARIABLE.findall(argument)}
        values = environment(manifests, container)
        assert by_arguments <= set(values)
        shared = {"MODEL", "ALIAS"} if "envFrom" in container else set()
        for name in set(values) - by_arguments - by_config - shared:
            assert hasattr(of_mlflow, name), f"{container['name']}: nothing reads {name}"


def test_every_secret_is_in_the_readme(manifests: list[Manifest]) -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `([a-z0-9-]+)` \| `([A-Z_]+)`", readme, re.MULTILINE))
    used = {
        (one["valueFrom"]["secretKeyRef"]["name"], one["name"])
        for _, container in containers(manifests)
        for one in container.get("env", ())
        if "secretKeyRef" in one.get("valueFrom", {})
    }
    assert used == told
    for _, container in containers(manifests):
        for one in container.get("env", ()):
            source = one.get("valueFrom", {}).get("secretKeyRef")
            assert source is None or (source["key"], source.get("optional", False)) == (one["name"], False)
    assert of_kind(manifests, "Secret") == []


def test_what_is_named_is_there(manifests: list[Manifest]) -> None:
    (account,) = of_kind(manifests, "ServiceAccount")
    assert account["automountServiceAccountToken"] is False
    (generated,) = of_kind(manifests, "ConfigMap")
    for name, template in templates(manifests):
        spec = template["spec"]
        assert spec["serviceAccountName"] == account["metadata"]["name"]
        for container in spec["containers"]:
            sources = [one["configMapRef"]["name"] for one in container.get("envFrom", ())]
            assert sources in ([], [generated["metadata"]["name"]])
            mounted = {one["name"] for one in container["volumeMounts"]}
            assert mounted <= {volume["name"] for volume in spec["volumes"]}, name


def test_selectors_select(manifests: list[Manifest]) -> None:
    """Exactly one kind of pods each, and ports that those have."""
    for kind in ("Deployment", "PodDisruptionBudget"):
        for one in of_kind(manifests, kind):
            (pods,) = selected(manifests, one["spec"]["selector"]["matchLabels"])
            assert pods == named(manifests, "Deployment", one["metadata"]["name"])["spec"]["template"]
            for spread in pods["spec"].get("topologySpreadConstraints", ()):
                assert selected(manifests, spread["labelSelector"]["matchLabels"]) == [pods]
    for service in of_kind(manifests, "Service"):
        (pods,) = selected(manifests, service["spec"]["selector"])
        assert {port["targetPort"] for port in service["spec"]["ports"]} == set(ports(pods))
    for scaler in of_kind(manifests, "HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        deployment = named(manifests, target["kind"], target["name"])
        assert deployment["apiVersion"] == target["apiVersion"]
        assert "replicas" not in deployment["spec"], "every rollout would undo what the autoscaler found"
        assert 1 <= scaler["spec"]["minReplicas"] < scaler["spec"]["maxReplicas"]


def test_every_server_has_probes(manifests: list[Manifest]) -> None:
    for _, container in containers(manifests):
        if names := {port["name"] for port in container.get("ports", ())}:
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                assert container[probe]["httpGet"]["port"] in names
            assert container["startupProbe"]["failureThreshold"] > container["livenessProbe"]["failureThreshold"]


def test_probes_and_prometheus_ask_without_a_key(manifests: list[Manifest]) -> None:
    _, api = by_command(manifests, "python", "-m", "deployment.api")
    assert api["livenessProbe"]["httpGet"]["path"] == api["startupProbe"]["httpGet"]["path"] == "/health/live"
    assert api["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    assert {"/health/live", "/health/ready", "/metrics"} <= OPEN


def test_the_network_is_closed_but_for_what_is_needed(manifests: list[Manifest]) -> None:
    policies = of_kind(manifests, "NetworkPolicy")
    for policy in policies:
        pods = selected(manifests, policy["spec"]["podSelector"]["matchLabels"])
        for rule in policy["spec"].get("ingress", ()):
            (template,) = pods
            assert {port["port"] for port in rule["ports"]} == set(ports(template))
    first = next(one for one in policies if len(one["spec"]["podSelector"]["matchLabels"]) == 1)
    assert len(selected(manifests, first["spec"]["podSelector"]["matchLabels"])) == len(list(templates(manifests)))
    assert (first["spec"]["policyTypes"], "ingress" in first["spec"]) == (["Ingress", "Egress"], False)
    assert {(port["port"], port["protocol"]) for port in first["spec"]["egress"][0]["ports"]} == {
        (53, "UDP"),
        (53, "TCP"),
    }
    registry = named(manifests, "NetworkPolicy", "-registry")["spec"]
    uri = urlsplit(of_kind(manifests, "ConfigMap")[0]["data"]["MLFLOW_TRACKING_URI"])
    port = uri.port or {"http": 80, "https": 443}[uri.scheme]
    assert port in [open_["port"] for rule in registry["egress"] for open_ in rule["ports"]]
    readers = selected(manifests, registry["podSelector"]["matchLabels"])
    told = [one for _, one in templates(manifests) if any("envFrom" in c for c in one["spec"]["containers"])]
    assert readers == told


def test_prometheus_finds_the_service(manifests: list[Manifest]) -> None:
    """All of the document, since no schema knows it."""
    monitor, service = named(manifests, "ServiceMonitor", "-api"), named(manifests, "Service", "-api")
    assert monitor == {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": {"name": service["metadata"]["name"], "labels": service["metadata"]["labels"]},
        "spec": {
            "selector": {"matchLabels": service["metadata"]["labels"]},
            "endpoints": [{"port": service["spec"]["ports"][0]["name"], "path": "/metrics", "interval": "30s"}],
        },
    }
