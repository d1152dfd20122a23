"""`/model/promotion`: the gates' report of what is served, from a real registry; and all that can be in its way."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry
from {{ cookiecutter.project_slug }}.ports import UnreachableError, Version

from deployment.api.app import create_app
from tests.project import make_project, store
from tests.servables import serving, write_servable
from tests.servers import register

GATES = [{"gate": "parity", "verdict": "passed", "reason": "größe ≤ 1", "figures": {"worst": 0.25}}]
TAGS = {"test/rmse": "5.25", "test/odd": "none", "git.commit": "c" * 40}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = make_project(tmp_path)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def version(project: Path) -> Version:
    """A version that holds `dev` and `prod`."""
    registry, made = MlflowRegistry(store()), register(store(), write_servable(project / "v1"))
    registry.tag(made, TAGS)
    registry.set_alias(made, "prod")
    return made


def keep_report(version: Version, folder: Path, to: str, text: str | None = None) -> dict[str, Any]:
    """Attach and tag a report as `promote` does."""
    report = {"model": "house", "version": version.version, "to": to, "passed": True, "gates": GATES}
    (folder / f"{to}.json").write_text(json.dumps(report) if text is None else text, encoding="utf-8")
    registry = MlflowRegistry(store())
    registry.attach(version, folder / f"{to}.json", f"promotion/{version.version}")
    registry.tag(version, {f"promotion.{to}": f"passed: promotion/{version.version}/{to}.md"})
    return report


def asked(reference: str) -> TestClient:
    return TestClient(create_app(serving(reference)))


def refusal(client: TestClient) -> tuple[int, str]:
    response = client.get("/model/promotion")
    (detail,) = response.json().values()
    assert len(detail.splitlines()) == 1
    return response.status_code, detail


def test_the_report_of_the_alias_that_is_served(project: Path, version: Version) -> None:
    staging, prod = (keep_report(version, project, to) for to in ("staging", "prod"))
    assert staging != prod
    client = asked("models:/house@prod")
    assert client.get("/model/promotion").json() == prod
    described = client.get("/model").json()
    assert described["metrics"] == {"test/rmse": 5.25}
    age = datetime.now(UTC) - datetime.fromisoformat(described["registered"])
    assert 0 <= age.total_seconds() < 3600


def test_it_is_read_once(project: Path, version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    report = keep_report(version, project, "prod")
    client = asked("models:/house@prod")
    calls = []
    attached = MlflowRegistry.attached

    def slowly(self: MlflowRegistry, version: Version, path: str) -> str | None:
        calls.append(path)
        time.sleep(0.3)  # long enough for the others to come
        return attached(self, version, path)

    monkeypatch.setattr(MlflowRegistry, "attached", slowly)
    with client, ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: client.get("/model/promotion").json(), range(8)))
        assert client.get("/model/promotion").json() == report
    assert answers == [report] * 8
    assert calls == ["promotion/1/prod.json"]


def test_there_is_none(project: Path, version: Version) -> None:
    client = asked("models:/house@dev")
    expected = "no gates have judged version 1 of house for dev, or no report is kept"
    assert refusal(client) == (404, expected)
    assert refusal(asked("models:/house/1")) == (
        404, "models:/house/1 names no alias: serve an alias to see what its gates found",
    )  # fmt: skip
    folder = str(project / "v1")
    assert refusal(asked(folder)) == (404, f"{folder} is a directory: only versions of the registry pass gates")
    registry = MlflowRegistry(store())
    registry.tag(version, {"promotion.dev": "passed"})  # as `promote` writes where the run is gone
    assert refusal(client) == (404, expected)
    registry.tag(version, {"promotion.dev": "passed: promotion/1/dev.md"})
    assert refusal(client) == (404, expected)
    keep_report(version, project, "dev", "{")
    assert refusal(client) == (404, "promotion/1/dev.md: the report of version 1 of house is not JSON")
    report = keep_report(version, project, "dev")
    assert client.get("/model/promotion").json() == report
    assert 'serving_refusals_total{reason="unknown"} 4.0' in client.get("/metrics").text


def test_while_the_registry_is_down(project: Path, version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    report = keep_report(version, project, "prod")
    client = asked("models:/house@prod")

    def down(*_: object) -> Version:
        raise UnreachableError("MLflow at x: no answer")

    with monkeypatch.context() as patched:
        patched.setattr(MlflowRegistry, "find", down)
        assert refusal(client) == (503, "MLflow at x: no answer")
    assert client.get("/model/promotion").json() == report
    monkeypatch.setattr(MlflowRegistry, "find", down)
    assert client.get("/model/promotion").json() == report  # it is known by now


def test_it_asks_for_the_key(project: Path) -> None:
    client = TestClient(create_app(serving(write_servable(project / "v1"), api_keys="one")))
    assert client.get("/model/promotion").status_code == 401
    assert client.get("/model/promotion", headers={"X-API-Key": "one"}).status_code == 404
