"""`promote` and `rollback` in real processes on a real store: killed at each of their writes, and two at once."""

from typing import Any

import pytest

from tests.killing import check_mended, outcome

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def came(tmp_path_factory) -> dict[str, Any]:
    """What came of it in a new project."""
    folder = tmp_path_factory.mktemp("project")
    database = folder / "mlflow.db"
    return outcome(folder, database, "promote", "rollback", "race", MLFLOW_TRACKING_URI=f"sqlite:///{database}")


@pytest.mark.parametrize(("what", "before", "after"), [("promote", "2", "3"), ("rollback", "2", "1")])
def test_a_kill_at_any_write_is_mended_by_asking_again(came, what, before, after):
    check_mended(came[what], before, after)


def test_of_two_processes_at_once_one_wins_and_one_is_refused(came):
    for found in came["race"]:
        won = found["said"].index("moved")
        refused = "moved while the gates ran" if won == 0 else "version 3 does not hold staging (version 4 does)"
        assert refused in found["said"][1 - won]
        assert found["aliases"] == (
            {"dev": "4", "staging": "3", "prod": "3", "archived": "2"}
            if won == 0
            else {"dev": "4", "staging": "4", "prod": "2", "archived": "1"}
        )
        assert found["open"] == []
