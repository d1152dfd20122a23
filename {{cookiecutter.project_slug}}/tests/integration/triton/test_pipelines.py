"""After every move of `prod` by a pipeline, its Triton answers with the same version; after a rollback too."""

from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.integrations.triton.server import Server

from tests.lifecycles import by_hand, check_passes, pushed
from tests.mistakes import Change, without
from tests.tritons import CONTROL_KEY, PATIENCE
from tests.worlds import BETTER, SOLID, World, ground

pytestmark = pytest.mark.slow


def served(world: World, stage: str) -> int | None:
    """The version of the model that answers a client of a stage's server who names none."""
    return Server(world.ground.agent.secrets[f"triton_server_{stage}"], PATIENCE, CONTROL_KEY).version(world.model)


def check_staged(world: World, change: Change | None = None) -> None:
    check_passes(by_hand(world, change, ACTION="promote", VERSION="2", TO="staging"), "manual")
    assert world.aliases["staging"] == "2"
    assert served(world, "staging") == 2


def check_rolled_back(world: World, change: Change | None = None) -> None:
    check_passes(by_hand(world, change, ACTION="rollback", VERSION="2"), "manual")
    assert world.aliases == {"prod": "1"}
    assert served(world, "prod") == 1


def test_triton_goes_where_prod_goes(tmp_path: Path) -> None:
    with ground(tmp_path) as made:
        world = made.world("house")
        for number, alpha in ((1, SOLID), (2, BETTER)):
            world.train(alpha)
            tag = world.candidate(str(number))
            if number == 1:
                check_passes(pushed(world, tag), "promote")
                assert (served(world, "staging"), served(world, "prod")) == (1, None)
            else:
                with pytest.raises(AssertionError):  # the alias moves alone
                    check_staged(world, without("manual", "triton-staging"))
                assert served(world, "staging") == 1
                check_staged(world)
            check_passes(pushed(world, world.release("final")), "promote", "deploy")
            assert world.aliases["prod"] == str(number)
            assert served(world, "prod") == number
        with pytest.raises(AssertionError):  # the alias moves alone
            check_rolled_back(world, without("manual", "triton-prod"))
        assert served(world, "prod") == 2
        check_rolled_back(world)
