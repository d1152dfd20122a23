"""The lifecycle's state machine: legal moves, the way back, and what a kill between two writes leaves."""

import json
from contextlib import suppress

import pytest

from {{ cookiecutter.project_slug }}.ports import AliasMovedError, Mover, UserError
from {{ cookiecutter.project_slug }}.promotion.lifecycle import Lifecycle, WayBack
from {{ cookiecutter.project_slug }}.promotion.turns import Turns

from tests.registries import KilledError, MemoryRegistry


def lifecycle(registry: MemoryRegistry) -> Lifecycle:
    turns = Turns(registry, "m", 30, clock=lambda: registry.now, sleep=registry.wait)
    return Lifecycle(registry, "m", Mover("CI"), turns)


def promoted(registry: MemoryRegistry, *numbers: str) -> Lifecycle:
    """Each version through staging to prod."""
    moves = lifecycle(registry)
    for number in numbers:
        moves.promote(moves.version(number), "staging")
        moves.promote(moves.version(number), "prod")
    return moves


def roll_back(moves: Lifecycle, number: str | None = None) -> WayBack:
    """Plan and do it."""
    way = moves.way_back(number)
    moves.rollback(way)
    return way


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
    roll_back(promoted(registry, "1", "2"))
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
    way = roll_back(moves)
    assert (way.withdrawn.version, way.serving.version) == ("3", "2")
    assert registry.aliases == {"prod": "2", "archived": "1"}
    assert registry.facts["3"]["lifecycle"] == "withdrawn"
    assert "lifecycle" not in registry.facts["2"]
    way = roll_back(moves)
    assert (way.withdrawn.version, way.serving.version) == ("2", "1")
    assert registry.aliases == {"prod": "1"}
    with pytest.raises(UserError, match="nothing held prod before version 1: there is no way back"):
        roll_back(moves)
    assert registry.aliases == {"prod": "1"}


def test_the_way_back_skips_what_was_withdrawn_meanwhile():
    registry = MemoryRegistry(4)
    roll_back(promoted(registry, "1", "2"))
    moves = promoted(registry, "3")
    assert registry.aliases == {"staging": "3", "prod": "3", "archived": "1"}
    promoted(registry, "4")
    roll_back(moves)
    assert registry.aliases == {"prod": "3", "archived": "1"}


def test_a_withdrawn_version_keeps_no_alias():
    registry = MemoryRegistry(2)
    moves = promoted(registry, "1", "2")
    registry.aliases["dev"] = "2"
    roll_back(moves)
    assert registry.aliases == {"prod": "1"}


def test_a_rollback_that_names_the_version_can_be_repeated():
    registry = MemoryRegistry(3)
    moves = promoted(registry, "1", "2", "3")
    roll_back(moves, "3")
    state = registry.state()
    way = roll_back(moves, "3")
    assert (way.withdrawn.version, way.serving.version) == ("3", "2")
    assert registry.state() == state
    with pytest.raises(UserError, match="version 2 holds prod, not 1: nothing was moved"):
        roll_back(moves, "1")


def test_there_is_nothing_to_roll_back_before_the_first_promotion():
    with pytest.raises(UserError, match="no version of m holds prod"):
        roll_back(lifecycle(MemoryRegistry(1)))


@pytest.mark.parametrize("action", ["promote", "rollback"])
def test_a_kill_between_any_two_writes_is_mended_by_asking_again(action):
    def act(registry: MemoryRegistry) -> None:
        moves = lifecycle(registry)
        if action == "promote":
            moves.promote(moves.version("4"), "prod")
        else:
            roll_back(moves, "3")

    def start() -> MemoryRegistry:
        registry = MemoryRegistry(4)
        moves = promoted(registry, "1", "2", "3")
        if action == "promote":
            moves.promote(moves.version("4"), "staging")
        else:
            registry.aliases["dev"] = "3"
        return registry

    whole = start()
    whole_before = len(whole.record)
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
            entries = len(registry.record)
            act(registry)
            assert registry.state() == whole.state(), f"killed after {writes} writes"
            made, left = registry.record[entries:], registry.record[whole_before:entries]
            assert [entry.state for entry in left] == ["abandoned"] * len(left)
            assert [entry.state for entry in made] in (["done"], ["abandoned", "done"])  # after a wait it queues anew
        writes += 1
    assert writes >= 8


@pytest.mark.parametrize("writes", range(11))
def test_a_promotion_after_a_rollback_that_was_killed_never_leads_back_to_the_bad_version(writes):
    registry = MemoryRegistry(4)
    moves = promoted(registry, "1", "2", "3")
    moves.promote(moves.version("4"), "staging")
    way = moves.way_back()
    registry.writes_left = writes
    with suppress(KilledError):
        moves.rollback(way)
    registry.writes_left = float("inf")
    withdrawn = registry.facts["3"].get("lifecycle") == "withdrawn"
    if withdrawn and registry.aliases["prod"] == "3":
        with pytest.raises(
            UserError, match="m: a rollback of version 3 was cut short: finish it first, `rollback version=3`"
        ):
            moves.promote(moves.version("4"), "prod")
        roll_back(moves, "3")
    moves.promote(moves.version("4"), "prod")
    assert registry.aliases == {"staging": "4", "prod": "4", "archived": "2" if withdrawn else "3"}
    assert roll_back(moves).serving.version == ("2" if withdrawn else "3")


@pytest.mark.parametrize("writes", range(9))
def test_a_rollback_after_a_promotion_that_was_killed(writes):
    registry = MemoryRegistry(4)
    moves = promoted(registry, "1", "2", "3")
    moves.promote(moves.version("4"), "staging")
    registry.writes_left = writes
    with suppress(KilledError):
        moves.promote(moves.version("4"), "prod")
    registry.writes_left = float("inf")
    held = registry.aliases["prod"]
    way = roll_back(moves)
    assert (way.withdrawn.version, way.serving.version) == (held, {"3": "2", "4": "3"}[held])
    assert registry.facts[held]["lifecycle"] == "withdrawn"


def test_a_version_that_was_withdrawn_while_its_gates_ran_is_not_promoted():
    registry = MemoryRegistry(2)
    moves = promoted(registry, "1")
    moves.promote(moves.version("2"), "staging")
    before_the_gates = moves.version("2")
    moves.promote(moves.version("2"), "prod")
    roll_back(moves)
    with pytest.raises(UserError, match="version 2 was withdrawn by a rollback"):
        moves.promote(before_the_gates, "prod")
    assert registry.aliases == {"prod": "1"}


def test_an_alias_that_was_set_by_hand_is_no_way_back():
    registry = MemoryRegistry(3)
    moves = promoted(registry, "1", "2")
    registry.aliases["archived"] = "3"  # it never passed a gate
    assert roll_back(moves).serving.version == "1"
    assert registry.aliases == {"prod": "1"}


def test_the_way_back_leads_around_a_version_that_was_deleted():
    registry = MemoryRegistry(4)
    moves = promoted(registry, "1", "2", "4")
    del registry.facts["2"], registry.aliases["archived"]
    assert roll_back(moves).serving.version == "1"


def test_another_process_that_moves_the_alias_at_the_same_time_is_noticed():
    registry = MemoryRegistry(2)
    moves = promoted(registry, "1")
    moves.promote(moves.version("2"), "staging")
    registry.race = True
    with pytest.raises(AliasMovedError):
        moves.promote(moves.version("2"), "prod")
    assert registry.aliases["prod"] == "1"


def test_a_judgement_counts_only_against_the_versions_that_it_was_made_against():
    registry = MemoryRegistry(4)
    moves = promoted(registry, "1")
    for number in ("2", "3"):
        moves.promote(moves.version(number), "staging")
    held = moves.held("staging")
    assert held == {"staging": "3", "prod": "1"}
    moves.promote(moves.version("3"), "prod")
    state = registry.state()
    with pytest.raises(UserError) as caught:
        moves.promote(moves.version("4"), "staging", held)
    assert str(caught.value) == (
        "m: prod moved while the gates ran: version 3 holds it now, then it was 1; nothing was moved; ask again"
    )
    assert (registry.state(), registry.record[-1].state) == (state, "refused")
    moves.promote(moves.version("4"), "staging", moves.held("staging"))
    assert registry.aliases["staging"] == "4"


def test_report_and_release_are_kept_with_the_move():
    registry = MemoryRegistry(1)
    moves = lifecycle(registry)
    moves.promote(moves.version("1"), "staging", report="promotion/1/staging.md", release="1.0.0-rc.1")
    (move,) = json.loads(registry.facts["1"]["history"])
    facts = {"report": "promotion/1/staging.md", "release": "1.0.0-rc.1"}
    assert move == {"alias": "staging", "by": "CI", "before": None, **facts}
    assert registry.facts["1"]["release.staging"] == "1.0.0-rc.1"
    (entry,) = registry.record
    assert (entry.move.report, entry.move.release, entry.move.run_id) == (*facts.values(), "run-1")


def test_what_holds_the_alias_already_is_finished_once():
    registry = MemoryRegistry(1)
    moves = promoted(registry, "1")
    moves.finish(moves.version("1"), "prod")
    assert len(registry.record) == 2  # nothing was open
    registry.append("m", registry.record[-1].move)
    moves.finish(moves.version("1"), "prod")
    assert [entry.state for entry in registry.record] == ["done", "done", "abandoned", "abandoned", "done"]
    assert registry.record[-1].move.kind == "finish"
    del registry.aliases["prod"]
    registry.append("m", registry.record[-1].move)
    with pytest.raises(UserError, match="m: prod moved away from version 1 meanwhile: ask again"):
        moves.finish(moves.version("1"), "prod")


def test_of_two_rollbacks_at_once_the_second_withdraws_nothing():
    registry = MemoryRegistry(3)
    moves = promoted(registry, "1", "2", "3")
    first, second = moves.way_back(), moves.way_back()
    moves.rollback(first)
    state = registry.state()
    with pytest.raises(UserError) as caught:
        moves.rollback(second)
    assert str(caught.value) == (
        "m: version 2 holds prod now, and the way back from 3 was to 2: another rollback came first; nothing was moved"
    )
    assert (registry.state(), registry.record[-1].state) == (state, "refused")
