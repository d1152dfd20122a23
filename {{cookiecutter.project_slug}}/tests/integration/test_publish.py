"""The images of a release are built and pushed to a registry that asks for a password, once; no credentials stay."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers import docker
from tests.image_registries import ACCOUNT, PASSWORD, running
from tests.releases import Repository, images, repository

Done = subprocess.CompletedProcess[str]
BY_HAND = {"CI_PIPELINE_EVENT": "manual", "ACTION": "deploy", "OVERLAY": "prod"}
pytestmark = [pytest.mark.slow, pytest.mark.containers]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry on the loopback address, as host:port."""
    with running(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture
def releases(tmp_path: Path) -> Repository:
    made = repository(tmp_path / "project")
    made.release("1.0.0")
    made.release("1.1.0")
    return made


def publish(releases: Repository, registry: str, tag: str, password: str = PASSWORD) -> Done:
    """Both steps, as deploy.yaml has them."""
    done = releases.deploy("checkout", RELEASE=tag, **BY_HAND)
    assert done.returncode == 0, done.stderr
    kept = {name: os.environ[name] for name in ("DOCKER_HOST", "DOCKER_CONFIG") if name in os.environ}
    secrets = {"IMAGE_REGISTRY_USERNAME": ACCOUNT, "IMAGE_REGISTRY_PASSWORD": password}
    temporary = releases.folder.parent / "temporary"
    temporary.mkdir(exist_ok=True)
    done = releases.run(
        "sh", "tools/publish.sh", TMPDIR=str(temporary), IMAGE_REGISTRY=f"{registry}/team", **secrets, **kept
    )
    assert list(temporary.iterdir()) == [], "credentials are left behind"
    return done


def test_a_release_is_pushed_and_not_built_again(releases: Repository, registry: str):
    names = [f"{registry}/team/{name}" for name in images()]
    try:
        for version in ("1.0.0", "1.1.0"):
            done = publish(releases, registry, f"v{version}")
            assert done.returncode == 0, done.stdout + done.stderr
            assert [line for line in done.stdout.splitlines() if line.startswith("building ")] == [
                f"building {name}:{version}" for name in names
            ]
        assert PASSWORD not in done.stdout + done.stderr
        first = _pushed("1.0.0", names)
        back = publish(releases, registry, "v1.0.0")
        assert back.returncode == 0, back.stdout + back.stderr
        said = back.stdout.splitlines()
        assert [line for line in said if line.endswith(" is in the registry")] == [
            f"{name}:1.0.0 is in the registry" for name in names
        ]
        assert "building" not in back.stdout
        assert _pushed("1.0.0", names) == first
    finally:
        for name in names:
            for version in ("1.0.0", "1.1.0"):
                subprocess.run(["docker", "image", "rm", "--force", f"{name}:{version}"], capture_output=True)


def _pushed(version: str, names: list[str]) -> list[str]:
    """The digests under which the registry has a release's images."""
    digests = []
    for name in names:
        (found,) = json.loads(docker("image", "inspect", f"{name}:{version}"))
        assert found["RepoDigests"], f"{name} was not pushed"
        digests.append(found["RepoDigests"][0])
    return digests


def test_a_wrong_password_is_the_end(releases: Repository, registry: str):
    done = publish(releases, registry, "v1.0.0", "another-one")
    assert done.returncode != 0
    assert "401 Unauthorized" in done.stderr
    assert "building" not in done.stdout
