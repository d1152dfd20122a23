"""A release is rolled out as it was tagged, with the registry's images, and with credentials that do not stay."""

import re
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.manifests import STAGES, containers, kubectl
from tests.project import PACKAGE
from tests.releases import Repository, program, repository
from tools.deploy import Rollout, asked
from tools.images import placed

REGISTRY = "registry.example.com:5000/team"
TAG = {"CI_PIPELINE_EVENT": "tag", "CI_COMMIT_TAG": "v1.2.0"}
BY_HAND = {"CI_PIPELINE_EVENT": "manual", "CI_COMMIT_TAG": "", "ACTION": "deploy"}
KUBE_CONFIG = yaml.safe_dump(
    {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "houses-prod"}}],
        "users": [{"name": "u", "user": {"token": "confidential"}}],
    }
)
STAND_IN = """#!/bin/sh
[ "$1" = kustomize ] && exec "KUBECTL" "$@"
echo "$@" >>"$ASKED"
stat -c %a "$KUBECONFIG" >>"$ASKED"
echo "$KUBECONFIG" >"$ASKED.path"
cat "$KUBECONFIG" >"$ASKED.config"
[ -z "$KUBE_CONFIG" ] || echo leaked >>"$ASKED"
case "$*" in *"${FAILS:-nothing}"*) exit 1 ;; esac
"""


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    made = repository(tmp_path_factory.mktemp("releases") / "project")
    made.release("1.1.0")
    base = made.folder / "deployment/k8s/base/kustomization.yaml"
    base.write_text(base.read_text(encoding="utf-8").replace("5000", "5001"), encoding="utf-8")
    made.release("1.2.0")
    return made


@pytest.mark.parametrize(
    ("variables", "rollout"),
    [
        (TAG, Rollout("v1.2.0", "prod")),
        (BY_HAND | {"RELEASE": "v0.10.3", "OVERLAY": "staging"}, Rollout("v0.10.3", "staging")),
    ],
)
def test_what_is_rolled_out(variables, rollout):
    assert asked(variables) == rollout


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (TAG | {"CI_COMMIT_TAG": "v1.2.0-rc.1"}, "CI_COMMIT_TAG is 'v1.2.0-rc.1': it has to be the tag of a release, vX.Y.Z"),
        (BY_HAND, "RELEASE is '': it has to be the tag of a release, vX.Y.Z"),
        (BY_HAND | {"RELEASE": "v1.2.0"}, "OVERLAY is '': it has to be staging or prod"),
        (BY_HAND | {"RELEASE": "v1.2.0", "OVERLAY": "../base"}, "OVERLAY is '../base': it has to be staging or prod"),
        *[
            (BY_HAND | {"RELEASE": tag, "OVERLAY": "prod"}, f"RELEASE is {tag!r}: it has to be the tag of a release, vX.Y.Z")
            for tag in ("1.2.0", "v1.2", "v01.2.0", "v1.2.0\n", "v1.2.0; id", "main", "--help")
        ],
        (BY_HAND | {"VERSION": "3"}, "VERSION is set, which ACTION=deploy does not take: leave it out"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_in_one_line(variables, said):
    with pytest.raises(ValueError) as refused:
        asked(variables)
    assert str(refused.value) == said


@pytest.mark.parametrize("stage", STAGES)
def test_manifests_have_the_images_of_the_registry(releases: Repository, stage: str):
    variables = BY_HAND | {"RELEASE": "v1.1.0", "OVERLAY": stage}
    assert releases.deploy("checkout", **variables).returncode == 0
    done = releases.deploy("apply", "--render", IMAGE_REGISTRY=REGISTRY, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    manifests = list(yaml.safe_load_all(done.stdout))
    for one in manifests:
        kubernetes_validate.validate(one, "1.31", strict=True)
    own = {container["image"] for _, container in containers(manifests) if PACKAGE in container["image"]}
    assert f"{REGISTRY}/{PACKAGE}-api:1.1.0" in own
    assert all(re.fullmatch(rf"{REGISTRY}/{PACKAGE}-[a-z]+:1\.1\.0", image) for image in own)
    assert "http://mlflow:5000" in done.stdout, "the manifests are those of another release"
    assert releases.git("status", "--porcelain") == ""


def test_a_name_that_the_manifests_already_give_is_replaced():
    image = {"image": f"old.example.com:80/a/{PACKAGE}-api:9.9.9"}
    others = [{"image": "nginx:1"}, {"image": f"x/{PACKAGE}-trainer@sha256:00"}]
    assert placed([{"spec": {"containers": [image, *others]}}], "new.example.com/b", "1.0.0") == [
        {"name": f"old.example.com:80/a/{PACKAGE}-api", "newName": f"new.example.com/b/{PACKAGE}-api", "newTag": "1.0.0"},
        {"name": f"x/{PACKAGE}-trainer", "newName": f"new.example.com/b/{PACKAGE}-trainer", "newTag": "1.0.0"},
    ]  # fmt: skip
    with pytest.raises(ValueError, match="the overlay runs no image of this project"):
        placed([{"spec": {"containers": others[:1]}}], "new.example.com/b", "1.0.0")


def test_apply_then_wait_and_leave_no_credentials(releases: Repository, tmp_path: Path):
    asked_for = tmp_path / "asked"
    variables = TAG | {
        "IMAGE_REGISTRY": REGISTRY, "KUBE_CONFIG": KUBE_CONFIG, "ASKED": str(asked_for),
        "PATH": program(tmp_path / "bin", "kubectl", STAND_IN.replace("KUBECTL", kubectl())),
    }  # fmt: skip
    assert releases.deploy("checkout", **variables).returncode == 0
    done = releases.deploy("apply", **variables)
    assert (done.returncode, done.stderr) == (0, "")
    applied, mode, *waits = asked_for.read_text().splitlines()
    assert re.fullmatch(r"apply --kustomize outputs/release/\S+ --namespace houses-prod", applied)
    assert mode == "600"
    assert "leaked" not in waits
    assert re.fullmatch(r"rollout status deployment/\S+-api --timeout=900s --namespace houses-prod", waits[0])
    assert Path(f"{asked_for}.config").read_text() == KUBE_CONFIG
    left = Path(Path(f"{asked_for}.path").read_text().strip())
    assert not left.exists()
    assert not list(releases.folder.glob("outputs/release/.rollout-*"))

    failed = releases.deploy("apply", FAILS="rollout status", **variables)
    assert (failed.returncode, failed.stderr) == (1, "error: `kubectl rollout status` failed: what it says is above\n")
    assert not Path(Path(f"{asked_for}.path").read_text().strip()).exists()


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"KUBE_CONFIG": ""}, "error: KUBE_CONFIG is no kubeconfig whose current context names a namespace: set the secret"),
        ({"KUBE_CONFIG": "a: ["}, "error: KUBE_CONFIG is no kubeconfig whose current context names a namespace"),
        ({"KUBE_CONFIG": KUBE_CONFIG.replace("namespace", "space")}, "error: KUBE_CONFIG is no kubeconfig whose current"),
        ({"IMAGE_REGISTRY": ""}, "error: IMAGE_REGISTRY is not host/path of a registry, in lower-case letters"),
        ({"IMAGE_REGISTRY": "https://registry.example.com"}, "error: IMAGE_REGISTRY is not host/path of a registry"),
        ({"CI_COMMIT_TAG": "v1.1.0"}, "error: outputs/release does not hold v1.1.0: run the step before first"),
    ],
)  # fmt: skip
def test_an_apply_that_cannot_be_is_refused_in_one_line(releases: Repository, variables, said):
    given = TAG | {"IMAGE_REGISTRY": REGISTRY, "KUBE_CONFIG": KUBE_CONFIG}
    assert releases.deploy("checkout", **TAG).returncode == 0
    done = releases.deploy("apply", **(given | variables))
    (line,) = done.stderr.splitlines()
    assert line.startswith(said)
    assert done.returncode == 1


def test_a_tag_that_is_no_release_is_refused_in_one_line(tmp_path: Path):
    made = repository(tmp_path / "project")
    made.release("1.0.0")
    made.git("tag", "v1.0.1")
    made.git("rm", "--quiet", "uv.lock")
    made.release("1.1.0")
    for tag, said in {
        "v3.0.0": "there is no tag v3.0.0: `git tag --list 'v*'` shows those that are",
        "v1.0.1": "VERSION says 1.0.0 at v1.0.1: it is not the tag of a release",
        "v1.1.0": "there is no uv.lock at v1.1.0, from which images are installed",
    }.items():
        done = made.deploy("checkout", **(TAG | {"CI_COMMIT_TAG": tag}))
        assert (done.returncode, done.stderr) == (1, f"error: {said}\n")
    assert made.deploy("checkout", **(TAG | {"CI_COMMIT_TAG": "v1.0.0"})).returncode == 0
