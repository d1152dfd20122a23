"""The dashboard's manifests: the pages ask the service of the same stage, and let themselves be probed."""

import pytest

from {{ cookiecutter.project_slug }}.schemas.config import validate
from {{ cookiecutter.project_slug }}.schemas.dashboard import DashboardConfig

from tests.manifests import (
    STAGES,
    Manifest,
    by_command,
    configured,
    environment,
    everything,
    named,
    ports,
    selected,
    writable,
)
from tests.project import ROOT


@pytest.fixture(params=STAGES)
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    return everything()[str(request.param)]


def test_the_pages_get_what_they_read(manifests: list[Manifest], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    spec, container = by_command(manifests, "python", "-m", "deployment.dashboards")
    config = validate(DashboardConfig, configured(manifests, container, "dashboard"))
    settings, service = config.dashboard, named(manifests, "Service", "-api")
    (port,) = service["spec"]["ports"]
    assert (settings.api, port["port"]) == (f"http://{service['metadata']['name']}", 80)
    assert settings.api_key.get_secret_value() == environment(manifests, container)["DASHBOARD_API_KEY"]
    assert (settings.host, settings.port) == ("0.0.0.0", ports({"spec": spec})["http"])
    assert (set(writable(spec, container)), config.logging.format) == ({"/tmp"}, "json")
    deployment = named(manifests, "Deployment", "-dashboard")
    assert deployment["spec"]["replicas"] == 1, "what a user has entered is in one process"


def test_the_pages_reach_the_service_alone(manifests: list[Manifest]) -> None:
    """And the service lets whoever comes in through its port, which is the same."""
    (rule,) = named(manifests, "NetworkPolicy", "-dashboard")["spec"]["egress"]
    (peer,) = rule["to"]
    (pods,) = selected(manifests, peer["podSelector"]["matchLabels"])
    assert pods == named(manifests, "Deployment", "-api")["spec"]["template"]
    assert {port["port"] for port in rule["ports"]} == set(ports(pods))
    readers = named(manifests, "NetworkPolicy", "-registry")["spec"]["podSelector"]["matchLabels"]
    dashboard = named(manifests, "Deployment", "-dashboard")["spec"]["template"]
    assert dashboard not in selected(manifests, readers)
