"""What keeps a Triton at an alias does while versions, registry and server come, go and break; no server."""

from collections.abc import Iterator

import pytest
from loguru import logger

from {{ cookiecutter.project_slug }}.integrations.triton.following import PATIENCE, Following
from {{ cookiecutter.project_slug }}.ports import UnreachableError, UserError


class World:
    """A registry, a server, and a clock that a test turns."""

    def __init__(self) -> None:
        self.alias: int | Exception = 1
        self.server: int | Exception | None = None
        self.broken: dict[int, BaseException] = {}
        self.synced: list[int] = []
        self.now = 0.0
        self.following = Following(self.named, self.served, self.sync, lambda: self.now)

    def named(self) -> int:
        if isinstance(self.alias, Exception):
            raise self.alias
        return self.alias

    def served(self) -> int | None:
        if isinstance(self.server, Exception):
            raise self.server
        return self.server

    def sync(self) -> None:
        self.synced.append(self.named())
        if self.named() in self.broken:
            raise self.broken[self.named()]
        self.server = self.named()

    def look(self, times: int = 1) -> list[int]:
        """What was synced meanwhile."""
        self.synced.clear()
        for _ in range(times):
            self.following.look()
        return self.synced.copy()


@pytest.fixture
def said() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(message.record["message"]))
    yield lines
    logger.remove(sink)


def test_syncs_when_the_alias_moves_and_else_never() -> None:
    world = World()
    assert world.look(3) == [1]
    world.alias = 2
    assert world.look(3) == [2]
    world.alias = 1  # a rollback
    assert world.look(3) == [1]


def test_a_server_that_has_lost_its_model_gets_it_again() -> None:
    world = World()
    world.look()
    world.server = None
    assert world.look(2) == [1]


def test_a_version_that_fails_is_left_alone_until_the_alias_moves_or_time_has_passed(said: list[str]) -> None:
    world = World()
    world.look()
    world.alias, world.broken = 2, {2: UserError("golden rows differ")}
    assert world.look(3) == [2]
    assert (said, world.server) == (["version 2 is not served: golden rows differ"], 1)
    world.now += PATIENCE
    assert world.look(3) == [2]
    assert len(said) == 1, "the same trouble is said once"
    world.alias = 3
    assert (world.look(2), world.server) == ([3], 3)
    world.alias = 2
    assert world.look(2) == [2], "what was before is forgotten once all is well"
    assert len(said) == 2


@pytest.mark.parametrize("which", ["alias", "server"])
def test_an_outage_is_said_once_and_outlived(said: list[str], which: str) -> None:
    world = World()
    world.look()
    before = getattr(world, which)
    setattr(world, which, UnreachableError("no answer"))
    assert world.look(3) == []
    assert said == ["no answer"]
    setattr(world, which, before)
    assert world.look() == []
    setattr(world, which, UnreachableError("no answer"))
    world.look()
    assert said == ["no answer"] * 2, "another outage is news"


def test_an_outage_in_the_midst_of_a_sync_is_no_fault_of_the_version() -> None:
    world = World()
    world.broken = {1: UnreachableError("no answer")}
    assert world.look(2) == [1, 1]
    world.broken = {}
    assert (world.look(2), world.server) == ([1], 1)


def test_an_alias_that_is_removed_changes_nothing(said: list[str]) -> None:
    world = World()
    world.look()
    world.alias = UserError("no version has the alias 'prod'")
    assert (world.look(2), world.server) == ([], 1)
    assert said == ["no version has the alias 'prod'"]


def test_a_mistake_in_the_code_is_said_with_its_place_and_outlived() -> None:
    world, seen = World(), list[str]()
    world.broken = {1: ZeroDivisionError("of the test")}
    sink = logger.add(seen.append, level="ERROR", format="{message}")
    try:
        assert world.look(2) == [1, 1], "tried again at once"
    finally:
        logger.remove(sink)
    assert len(seen) == 2
    for text in seen:
        assert text.startswith("a look at the alias failed; the next one tries it again\nTraceback ")
        assert "in sync" in text and "ZeroDivisionError: of the test" in text
    world.broken = {}
    assert (world.look(2), world.server) == ([1], 1)


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_an_end_is_no_mistake(end: type[BaseException]) -> None:
    world = World()
    world.broken = {1: end()}
    with pytest.raises(end):
        world.look()
