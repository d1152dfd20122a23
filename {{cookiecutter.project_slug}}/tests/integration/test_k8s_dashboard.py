"""The dashboard, started as its manifest starts it, answers the probes, and without making a session of a user."""

from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.dashboards import dashboard
from tests.manifests import by_command, environment, everything, overrides
from tests.project import make_project

pytestmark = pytest.mark.slow


def test_probes(tmp_path: Path) -> None:
    manifests = everything()["staging"]
    _, container = by_command(manifests, "python", "-m", "deployment.dashboards")
    values = environment(manifests, container)
    project = make_project(tmp_path / "project")
    with dashboard(project, *overrides(manifests, container), "dashboard.host=127.0.0.1", **values) as address:
        paths = {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
        assert len(paths) == 1
        for path in paths:
            with urlopen(address + path, timeout=10) as answer:
                assert answer.status == 200
                assert "html" not in answer.headers["Content-Type"], "a page would be a session"
