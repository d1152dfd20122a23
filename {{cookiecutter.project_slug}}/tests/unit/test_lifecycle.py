"""The lifecycle's state machine: legal moves, the way back, and what a kill between two writes leaves."""

import json

import pytest

from {{ cookiecutter.project_slug }}.ports import AliasMovedError, UserError
from {{ cookiecutter.project_slug }}.promotion.lifecycle import Lifecycle

from tests.registries import KilledError, MemoryRegistry


def lifecycle(registry: MemoryRegistry) -> Lifecycle:
    return Lifecycle(registry, "m", "CI")


def promoted(registry: MemoryRegistry, *numbers: str) -> Lifecycle:
    """Each version through staging to prod."""
    moves = lifecycle(registry)
    for number in numbers:
        moves.promote(moves.version(number), "staging")
        moves.promote(moves.version(number), "prod")
    return moves


def test_versions_move_through_the_aliases():
    registry = MemoryRegistry(3)
    moves = promoted(registry, "1")
    assert registry.aliases == {"staging": "1", "prod": "1"}
    moves.promote(moves.version("2"), "staging")
    assert registry.aliases == {"staging": "2", "prod": "1"}
    moves.promote(moves.version("2"), "prod")
    assert registry.aliases == {"staging": "2", "prod": "2", "archived": "1"}
    promoted(registry, "3")
    assert registry.aliases == {"staging": "3", "prod": "3", "archived": "2"}
    assert {number: tags.get("lifecycle") for number, tags in registry.facts.items()} == {
        "1": "archived", "2": "archived", "3": None,
    }  # fmt: skip


def test_every_move_writes_who_held_the_alias_before():
    registry = MemoryRegistry(2)
    promoted(registry, "1", "2")
    history = {number: json.loads(tags["history"]) for number, tags in registry.facts.items()}
    assert history["2"] == [
        {"alias": "staging", "by": "CI", "before": "1"},
        {"alias": "prod", "by": "CI", "before": "1"},
    ]
    assert history["1"][-1] == {"alias": "archived", "by": "CI", "before": None}


@pytest.mark.parametrize(
    ("number", "to", "message"),
    [
        ("1", "staging", "m version 1 was retired from prod: `rollback` is the way back, or train it anew"),
        ("2", "staging", "m version 2 was withdrawn by a rollback: train a new version"),
        ("2", "prod", "m version 2 was withdrawn by a rollback: train a new version"),
        ("3", "staging", "m version 3 holds prod already: there is nothing to stage"),
        ("5", "prod", "m version 5 does not hold staging (version 4 does): promote it to staging first"),
    ],
)
def test_illegal_moves(number, to, message):
    registry = MemoryRegistry(5)
    promoted(registry, "1", "2").rollback()
    moves = promoted(registry, "3")
    moves.promote(moves.version("4"), "staging")
    before = registry.state()
    with pytest.raises(UserError) as caught:
        moves.promote(moves.version(number), to)
    assert str(caught.value) == message
    assert registry.state() == before


def test_a_version_that_never_was_staged_does_not_reach_prod():
    registry = MemoryRegistry(1)
    with pytest.raises(UserError, match=r"does not hold staging \(no version does\)"):
        lifecycle(registry).promote(lifecycle(registry).version("1"), "prod")


def test_a_second_rollback_does_not_bring_the_bad_version_back():
    registry = MemoryRegistry(3)
    moves = promoted(registry, "1", "2", "3")
    withdrawn, serving = moves.rollback()
    assert (withdrawn.version, serving.version) == ("3", "2")
    assert registry.aliases == {"prod": "2", "archived": "1"}
    assert registry.facts["3"]["lifecycle"] == "withdrawn"
    assert "lifecycle" not in registry.facts["2"]
    withdrawn, serving = moves.rollback()
    assert (withdrawn.version, serving.version) == ("2", "1")
    assert registry.aliases == {"prod": "1"}
    with pytest.raises(UserError, match="nothing held prod before version 1: there is no way back"):
        moves.rollback()
    assert registry.aliases == {"prod": "1"}


def test_the_way_back_skips_what_was_withdrawn_meanwhile():
    registry = MemoryRegistry(4)
    promoted(registry, "1", "2").rollback()
    moves = promoted(registry, "3")
    assert registry.aliases == {"staging": "3", "prod": "3", "archived": "1"}
    promoted(registry, "4")
    moves.rollback()
    assert registry.aliases == {"prod": "3", "archived": "1"}


def test_a_withdrawn_version_keeps_no_alias():
    registry = MemoryRegistry(2)
    moves = promoted(registry, "1", "2")
    registry.aliases["dev"] = "2"
    moves.rollback()
    assert registry.aliases == {"prod": "1"}


def test_a_rollback_that_names_the_version_can_be_repeated():
    registry = MemoryRegistry(3)
    moves = promoted(registry, "1", "2", "3")
    moves.rollback("3")
    state = registry.state()
    withdrawn, serving = moves.rollback("3")
    assert (withdrawn.version, serving.version) == ("3", "2")
    assert registry.state() == state
    with pytest.raises(UserError, match="version 2 holds prod, not 1: nothing was moved"):
        moves.rollback("1")


def test_there_is_nothing_to_roll_back_before_the_first_promotion():
    with pytest.raises(UserError, match="no version of m holds prod"):
        lifecycle(MemoryRegistry(1)).rollback()


@pytest.mark.parametrize("action", ["promote", "rollback"])
def test_a_kill_between_any_two_writes_is_mended_by_asking_again(action):
    def act(registry: MemoryRegistry) -> None:
        moves = lifecycle(registry)
        if action == "promote":
            moves.promote(moves.version("4"), "prod")
        else:
            moves.rollback("3")

    def start() -> MemoryRegistry:
        registry = MemoryRegistry(4)
        moves = promoted(registry, "1", "2", "3")
        if action == "promote":
            moves.promote(moves.version("4"), "staging")
        else:
            registry.aliases["dev"] = "3"
        return registry

    whole = start()
    act(whole)
    writes = 0
    while True:
        registry = start()
        registry.writes_left = writes
        try:
            act(registry)
            break
        except KilledError:
            assert registry.aliases["prod"] in ("2", "3", "4"), "prod is always held"
            registry.writes_left = float("inf")
            act(registry)
            assert registry.state() == whole.state(), f"killed after {writes} writes"
        writes += 1
    assert writes >= 6


def test_another_process_that_moves_the_alias_at_the_same_time_is_noticed():
    registry = MemoryRegistry(1)
    registry.race = True
    with pytest.raises(AliasMovedError):
        lifecycle(registry).promote(lifecycle(registry).version("1"), "staging")
