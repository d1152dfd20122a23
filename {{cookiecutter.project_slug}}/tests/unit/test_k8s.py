"""The manifests are valid and restricted; stages differ in three things alone. What leads where: test_k8s_wiring.py."""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.manifests import OPTIONAL, STAGES, Manifest, containers, copied, everything, named, of_kind, rendered
from tests.project import ROOT

VERSIONS = ("1.31", kubernetes_validate.latest_version())
OF_THE_OPERATOR = ("monitoring.coreos.com/v1", "ServiceMonitor")
"""Not Kubernetes' own, so that no schema is there for it: test_prometheus_finds_… compare whole documents."""


@pytest.fixture(params=STAGES)
def stage(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def manifests(stage: str) -> list[Manifest]:
    return everything()[stage]


@pytest.mark.parametrize("version", VERSIONS)
def test_schemas_of_kubernetes(manifests: list[Manifest], version: str) -> None:
    checked = [one for one in manifests if (one["apiVersion"], one["kind"]) != OF_THE_OPERATOR]
    for one in checked:
        kubernetes_validate.validate(one, version, strict=True)
    assert {one["kind"] for one in checked} == {
        "ConfigMap", "CronJob", "Deployment", "HorizontalPodAutoscaler", "NetworkPolicy", "PersistentVolumeClaim",
        "PodDisruptionBudget", "Service", "ServiceAccount",
    }  # fmt: skip


def test_an_unknown_kind_or_key_is_an_error(manifests: list[Manifest]) -> None:
    """So the test above cannot pass by what the schemas do not know."""
    with pytest.raises(kubernetes_validate.SchemaNotFoundError):
        kubernetes_validate.validate(named(manifests, "ServiceMonitor", "-api"), VERSIONS[0], strict=True)
    service = named(manifests, "Service", "-api")
    wrong = service | {"spec": service["spec"] | {"selectors": {}}}
    with pytest.raises(kubernetes_validate.ValidationError, match="selectors"):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


def test_stages_differ_in_alias_replicas_and_resources() -> None:
    assert {"staging", "prod"} <= set(STAGES)
    trees = {}
    for stage, manifests in everything().items():
        text = yaml.safe_dump_all(manifests)
        (generated,) = of_kind(manifests, "ConfigMap")
        assert generated["data"]["ALIAS"] == stage
        name = generated["metadata"]["name"]
        assert re.search(r"-[a-z0-9]{10}$", name), f"{name} has no hash: a change of it would roll nothing"
        trees[stage] = list(yaml.safe_load_all(text.replace(name, name[:-11])))
    first, *others = (by_name(tree) for tree in trees.values())
    found = {re.sub(r"\.\d+(?=\.|$)", "", path) for other in others for path in differences(first, other)}
    allowed = {
        r"ConfigMap/.+\.data\.ALIAS",
        r"Horizontal.+\.(min|max)Replicas",
        r".+\.spec\.replicas",
        r".+\.resources\..+",
    }
    assert [path for path in found if not any(re.fullmatch(pattern, path) for pattern in allowed)] == []
    assert {path.rpartition(".")[2] for path in found} >= {"ALIAS", "minReplicas", "maxReplicas", "cpu", "memory"}


def test_names_are_those_of_no_namespace(manifests: list[Manifest]) -> None:
    assert [one["metadata"]["name"] for one in manifests if "namespace" in one["metadata"]] == []
    names = [(one["kind"], one["metadata"]["name"]) for one in manifests]
    assert len(set(names)) == len(names)
    for kind, name in names:  # what Kubernetes takes as a label, less what it appends itself
        assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", name) and len(name) <= (52 if kind == "CronJob" else 63)


def test_every_container_is_restricted(manifests: list[Manifest]) -> None:
    """Pod Security Standards, profile restricted, and a root file system that is read only."""
    for spec, container in containers(manifests):
        pod, own = spec["securityContext"], container["securityContext"]
        assert (pod["runAsNonRoot"], pod["runAsUser"], pod["runAsGroup"], pod["fsGroup"]) == (True, 10001, 10001, 10001)
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
        assert own == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (False, False)
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        assert all({"emptyDir", "persistentVolumeClaim"} & set(volume) for volume in spec["volumes"])


def test_every_container_has_requests_and_limits(manifests: list[Manifest]) -> None:
    for _, container in containers(manifests):
        resources = container["resources"]
        assert set(resources["requests"]) == set(resources["limits"]) == {"cpu", "memory"}
        for what in ("cpu", "memory"):
            assert 0 < quantity(resources["requests"][what]) <= quantity(resources["limits"][what])


def test_every_image_has_a_tag(manifests: list[Manifest]) -> None:
    for _, container in containers(manifests):
        name, _, tag = container["image"].rpartition(":")
        assert name and re.fullmatch(r"\w[\w.-]*", tag) and tag != "latest", container["image"]
        if container["command"][0] == "python":
            version = (ROOT / "VERSION").read_text(encoding="utf-8").strip()
            assert tag == version, f"{container['image']}: the project's version is {version}"


def test_a_rollout_keeps_every_pod_that_answers(manifests: list[Manifest]) -> None:
    for deployment in of_kind(manifests, "Deployment"):
        spec = deployment["spec"]
        assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
        for container in spec["template"]["spec"]["containers"]:
            probe = container.get("startupProbe")
            if probe:
                waits = probe["periodSeconds"] * probe["failureThreshold"]
                assert waits < spec.get("progressDeadlineSeconds", 600), deployment["metadata"]["name"]


def test_components_are_switched_by_a_line(manifests: list[Manifest], stage: str, tmp_path: Path) -> None:
    without = by_name(rendered(copied(tmp_path / "k8s", off=OPTIONAL) / "overlays" / stage))
    gone = {name.partition("/")[0] for name in by_name(manifests).keys() - without.keys()}
    assert gone == {"CronJob", "PersistentVolumeClaim", "ServiceMonitor"}
    assert all(one == by_name(manifests)[name] for name, one in without.items()), "what stays is as it was"


def by_name(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Manifests by kind and name."""
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in manifests}


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """The paths at which two trees differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted(one.keys() | other.keys())
        return [
            found
            for key in keys
            for found in (
                differences(one[key], other[key], f"{path}.{key}".lstrip("."))
                if key in one and key in other
                else [f"{path}.{key}".lstrip(".")]
            )
        ]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = zip(one, other, strict=True)
        return [found for place, pair in enumerate(pairs) for found in differences(*pair, f"{path}.{place}")]
    return [] if one == other else [path]


def quantity(text: str) -> float:
    """A number as Kubernetes writes it."""
    units = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
    number, unit = re.fullmatch(r"([\d.]+)([A-Za-z]*)", str(text)).groups()  # type: ignore[union-attr]
    return float(number) * (units[unit] if unit else 1)
