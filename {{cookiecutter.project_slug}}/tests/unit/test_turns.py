"""Processes that move a model's aliases take turns: two at once, one that was killed, one that was only slow."""

import threading
import time
from collections.abc import Callable

import pytest

from {{ cookiecutter.project_slug }}.ports import Move, Mover, UnreachableError, UserError
from {{ cookiecutter.project_slug }}.promotion.lifecycle import Lifecycle
from {{ cookiecutter.project_slug }}.promotion.turns import LeaseEndedError, Turns

from tests.registries import KilledError, MemoryRegistry

LEASE = 30
MOVE = Move("promote", "1", "staging", Mover("CI"))


def turns(registry: MemoryRegistry, lease: float = LEASE) -> Turns:
    """Of one process, whose time passes when it waits."""
    return Turns(registry, "m", lease, clock=lambda: registry.now, sleep=registry.wait)


def staged() -> MemoryRegistry:
    """Version 1 holds prod, version 2 staging, and 3 would like to."""
    registry = MemoryRegistry(3)
    moves = lifecycle(registry)
    for number, to in (("1", "staging"), ("1", "prod"), ("2", "staging")):
        moves.promote(moves.version(number), to)
    return registry


def lifecycle(registry: MemoryRegistry) -> Lifecycle:
    return Lifecycle(registry, "m", Mover("CI"), turns(registry))


def states(registry: MemoryRegistry) -> list[str]:
    return [entry.state for entry in registry.record]


def write(registry: MemoryRegistry) -> None:
    registry.tag(registry.find("models:/m/1"), {"a": "b"})


def take(taken: Turns, *steps: Callable[[], object]) -> None:
    """What happens in a turn."""
    with taken.turn(MOVE):
        for step in steps:
            step()


def fail(error: BaseException) -> None:
    raise error


def test_an_entry_is_open_while_its_move_runs_and_done_after_it():
    registry = MemoryRegistry(1)
    with turns(registry).turn(MOVE):
        assert states(registry) == ["open"]
    assert states(registry) == ["done"]
    assert registry.now == 1000  # nobody was waited for


def test_a_younger_entry_is_not_waited_for():
    registry = MemoryRegistry(1)
    with turns(registry).turn(MOVE):
        registry.append("m", MOVE)
        write(registry)
    assert states(registry) == ["done", "open"]


def test_what_a_killed_process_left_open_is_closed_when_its_lease_has_ended():
    registry = MemoryRegistry(1)
    registry.append("m", MOVE)
    registry.wait(20)
    with turns(registry).turn(MOVE):
        assert states(registry) == ["abandoned", "open"]
        assert 10 <= registry.now - 1020 <= 15  # the rest of the lease, and some grace
    registry.append("m", MOVE)
    registry.wait(1000)
    before = registry.now
    with turns(registry).turn(MOVE):
        assert registry.now - before <= 5


def test_who_waited_for_long_queues_again_and_has_a_whole_lease():
    registry = MemoryRegistry(1)
    registry.append("m", MOVE)
    with turns(registry).turn(MOVE):
        assert states(registry) == ["abandoned", "abandoned", "open"]
        registry.wait(LEASE - 1)
        write(registry)
    assert states(registry)[-1] == "done"


@pytest.mark.parametrize("error", [UserError("no"), ValueError("no"), KeyboardInterrupt()])
def test_a_move_that_is_refused_before_it_wrote_is_refused_and_else_abandoned(error):
    registry = MemoryRegistry(1)
    with pytest.raises(type(error)):
        take(turns(registry), lambda: fail(error))
    with pytest.raises(type(error)):
        take(turns(registry), lambda: write(registry), lambda: fail(error))
    assert states(registry) == ["refused", "abandoned"]
    assert registry._check is None


def test_an_interruption_while_it_waits_keeps_nobody_waiting():
    registry = MemoryRegistry(1)
    registry.append("m", MOVE)

    def interrupted(seconds):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take(Turns(registry, "m", LEASE, lambda: registry.now, interrupted))
    assert states(registry) == ["open", "refused"]


def test_a_registry_that_goes_away_during_a_move_is_what_is_said(monkeypatch):
    registry = MemoryRegistry(1)

    def away(entry, state):
        raise UnreachableError("the registry is down")

    with pytest.raises(UnreachableError, match="the first one"):
        take(
            turns(registry),
            lambda: monkeypatch.setattr(registry, "close", away),
            lambda: fail(UnreachableError("the first one")),
        )
    assert states(registry) == ["open"]


def test_a_write_that_may_still_arrive_keeps_its_lease():
    registry = MemoryRegistry(1)
    with pytest.raises(UnreachableError):
        take(turns(registry), lambda: write(registry), lambda: fail(UnreachableError("no answer")))
    assert states(registry) == ["open"]
    with turns(registry).turn(MOVE):
        assert registry.now - 1000 >= LEASE
    with pytest.raises(UnreachableError):
        take(turns(registry), lambda: fail(UnreachableError("no answer")))
    assert states(registry)[-1] == "refused"  # nothing is under way


def test_a_look_at_the_record_that_took_too_long_stops_the_write(monkeypatch):
    registry = MemoryRegistry(1)
    entries = registry.entries

    def slow(name, state=None):
        registry.wait(LEASE + 1)
        return entries(name, state)

    with pytest.raises(LeaseEndedError):
        take(turns(registry), lambda: monkeypatch.setattr(registry, "entries", slow), lambda: write(registry))
    assert registry.facts["1"] == {}


def test_a_process_that_slept_past_its_lease_stops_before_it_writes():
    registry = MemoryRegistry(1)
    with pytest.raises(LeaseEndedError) as caught:
        take(turns(registry), lambda: registry.wait(LEASE + 1), lambda: write(registry))
    assert str(caught.value) == (
        "m: the promote took longer than promotion.lease_seconds=30, and stopped before its next write: ask for it again"
    )
    assert registry.facts["1"] == {}
    assert states(registry) == ["open"]  # the next one closes it


def test_a_process_whose_clock_stood_still_sees_that_its_entry_was_closed():
    """A machine that was suspended, whose clock did not run on meanwhile."""
    registry = MemoryRegistry(1)
    still = Turns(registry, "m", LEASE, lambda: 0.0, registry.wait)
    with pytest.raises(LeaseEndedError):
        take(still, lambda: registry.close(registry.record[-1], "abandoned"), lambda: write(registry))
    assert registry.facts["1"] == {}


@pytest.mark.parametrize("stall", range(1, 7))
def test_a_promotion_that_stalls_before_any_write_leaves_the_registry_to_the_next(stall):
    """Another process waits for the lease and promotes another version; then the first one wakes up."""
    registry = staged()
    slow, other, woken = registry.other_process(), lifecycle(registry.other_process()), []

    def meanwhile(number):
        if number == stall:
            other.promote(other.version("3"), "staging")
            woken.append(registry.state())

    slow.number_writes(meanwhile)
    moves = lifecycle(slow)
    with pytest.raises(LeaseEndedError):
        moves.promote(moves.version("2"), "prod")
    assert woken == [registry.state()]
    assert registry.aliases["staging"] == "3"
    assert states(registry)[-3:] == ["abandoned", "abandoned", "done"]  # the other one queued anew after its wait


def test_a_promotion_to_prod_has_as_many_writes_as_that():
    registry, numbers = staged(), []
    registry.number_writes(numbers.append)
    moves = lifecycle(registry)
    moves.promote(moves.version("2"), "prod")
    assert numbers == [1, 2, 3, 4, 5, 6]


def test_of_two_processes_at_once_one_wins_and_one_is_refused():
    """Threads over one registry; what each was judged against, both saw before either began."""
    for _ in range(20):
        registry, said, ready = staged(), [], threading.Barrier(2)

        def ask(number, to, registry=registry, said=said, ready=ready):
            view = registry.other_process()
            moves = Lifecycle(view, "m", Mover(number), Turns(view, "m", 5, sleep=lambda s: time.sleep(min(s, 0.001))))
            held = moves.held(to)
            ready.wait()
            try:
                moves.promote(moves.version(number), to, held)
                said.append("moved")
            except UserError as error:
                said.append(str(error))

        threads = [threading.Thread(target=ask, args=asked) for asked in (("2", "prod"), ("3", "staging"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        refused = [line for line in said if line != "moved"]
        assert said.count("moved") == 1
        assert "moved while the gates ran" in refused[0] or "does not hold staging" in refused[0]
        two_won = {"staging": "2", "prod": "2", "archived": "1"}
        assert registry.aliases in (two_won, {"staging": "3", "prod": "1"})
        assert sorted(states(registry)[-2:]) == ["done", "refused"]


def test_a_killed_process_leaves_its_entry_to_the_next():
    registry = staged()
    killed = registry.other_process()
    killed.writes_left = 3
    with pytest.raises(KilledError):
        lifecycle(killed).promote(lifecycle(killed).version("2"), "prod")
    assert states(registry)[-1] == "open"
    moves = lifecycle(registry.other_process())
    moves.promote(moves.version("2"), "prod")
    assert registry.aliases == {"staging": "2", "prod": "2", "archived": "1"}
    assert "open" not in states(registry)
