"""Settings of the pages: what is refused, and where keys come from."""

from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.config import validate
from {{ cookiecutter.project_slug }}.schemas.dashboard import DashboardConfig

from tests.project import composed, make_project


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "dashboard.api=localhost:8000",
            "dashboard.api: 'localhost:8000' is no address of a service: write it as http:",
        ),
        (
            "dashboard.api=http://me:secret@host",  # pragma: allowlist secret
            "dashboard.api: the address holds a user or a password: keys come from",
        ),
        ("dashboard.staging_api=ftp://host", "dashboard.staging_api: 'ftp://host' is no address of a service"),
        ("dashboard.sweep_points=1", "dashboard.sweep_points: Input should be greater than or equal to 2, not 1"),
        ("dashboard.port=70000", "dashboard.port: Input should be less than or equal to 65535, not 70000"),
        ("+dashboard.prot=1", "dashboard.prot is not a key that is known here"),
        ("logging=json", "dashboard.api_key: the key holds characters that no HTTP header can bear"),
    ],
)
def test_settings_that_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, override: str, said: str) -> None:
    monkeypatch.chdir(make_project(tmp_path))
    if override == "logging=json":
        monkeypatch.setenv("DASHBOARD_API_KEY", "schlüssel")
    with pytest.raises(UserError) as caught:
        validate(DashboardConfig, composed("dashboard", override))
    assert str(caught.value).startswith(f"config: {said}")
    assert len(str(caught.value).splitlines()) == 1
    assert "secret" not in str(caught.value)
    assert "schl" not in str(caught.value)


def test_keys_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_project(tmp_path))
    monkeypatch.setenv("DASHBOARD_API_KEY", "one")
    found = validate(DashboardConfig, composed("dashboard")).dashboard
    assert (found.api_key.get_secret_value(), found.staging_api_key.get_secret_value()) == ("one", "one")
    monkeypatch.setenv("DASHBOARD_STAGING_API_KEY", "two")
    found = validate(DashboardConfig, composed("dashboard")).dashboard
    assert (found.api_key.get_secret_value(), found.staging_api_key.get_secret_value()) == ("one", "two")
    assert "two" not in repr(found)
