"""`promote` and `rollback` in real processes on a real store: killed at each of their writes, and two at once."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.project import ROOT, environment_of, make_project

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def outcome(tmp_path_factory) -> dict[str, Any]:
    """What `tests.killing` prints in a new project."""
    folder = make_project(tmp_path_factory.mktemp("project"))
    environment = environment_of(
        PYTHONPATH=f"{ROOT / 'src'}:{ROOT}", MLFLOW_TRACKING_URI=f"sqlite:///{folder / 'mlflow.db'}"
    )
    command = [sys.executable, "-m", "tests.killing", "mlflow.db", "promote", "rollback", "race"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-5000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(("what", "before", "after"), [("promote", "2", "3"), ("rollback", "2", "1")])
def test_a_kill_at_any_write_is_mended_by_asking_again(outcome, what, before, after):
    found = outcome[what]
    assert found["whole"]["aliases"]["prod"] == after
    assert found["whole"]["open"] == []
    assert found["whole"]["last"]["state"] == "done"
    for number, case in enumerate(found["cases"], start=1):
        assert case["left"]["aliases"]["prod"] in (before, after), f"killed at write {number}"
        assert case["mended"] == found["whole"], f"killed at write {number}"
    assert len(found["cases"]) >= 9


def test_of_two_processes_at_once_one_wins_and_one_is_refused(outcome):
    for found in outcome["race"]:
        won = found["said"].index("moved")
        refused = "moved while the gates ran" if won == 0 else "version 3 does not hold staging (version 4 does)"
        assert refused in found["said"][1 - won]
        assert found["aliases"] == (
            {"dev": "4", "staging": "3", "prod": "3", "archived": "2"}
            if won == 0
            else {"dev": "4", "staging": "4", "prod": "2", "archived": "1"}
        )
        assert found["open"] == []
