"""The real pipelines, from a training to a rollback, against a registry with accounts; its aliases read back each time."""

from collections.abc import Iterator

import pytest

from tests.woodpecker import events
from tests.worlds import World, world

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("world")) as made:
        yield made


def test_train(everything: World) -> None:
    done = everything.agent.run(events.cron(everything.origin, "retrain"))
    print(done.output)
    assert done.passed
    assert everything.registry.aliases() == {"dev": "1"}


def test_rc(everything: World) -> None:
    done = everything.agent.run(events.tag(everything.origin, everything.release("v1.0.0-rc.1", "1")))
    print(done.output)
    assert done.passed
    assert everything.registry.aliases() == {"dev": "1", "staging": "1"}
