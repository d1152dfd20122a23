"""The facts that a run records of itself, and those that were others when it was refitted."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..schemas.contract import Contract

DECISIVE = re.compile(r"(git\.(commit|dirty)|(lock|data|config)\.sha256|data\.rows|(package|system)\..+)")
"""Tags that say what a run was made from, and with what."""


@dataclass(frozen=True)
class Fact:
    """One that has changed."""

    name: str
    recorded: str | None
    """None: it was not recorded."""
    now: str | None

    def __str__(self) -> str:
        return f"{self.name}: {self.recorded or 'not recorded'} → {self.now or 'not recorded'}"


def facts_of(tags: Mapping[str, str], contract: Contract) -> dict[str, str]:
    """What a run and its servable say; the contract's word counts, since its sha256 was registered with the version."""
    found = {name: value for name, value in tags.items() if DECISIVE.fullmatch(name)}
    made = contract.provenance
    if made is not None:
        known = {"git.commit": made.commit, "lock.sha256": made.lock, "data.sha256": made.data}
        known |= {"config.sha256": made.config, "git.dirty": None if made.dirty is None else str(made.dirty).lower()}
        found |= {name: value for name, value in known.items() if value is not None}
    return found


def changed(recorded: Mapping[str, str], now: Mapping[str, str]) -> tuple[Fact, ...]:
    """The facts that are others now, in the order of their names."""
    names = sorted({*recorded, *now})
    facts = (Fact(name, recorded.get(name), now.get(name)) for name in names)
    return tuple(fact for fact in facts if fact.recorded != fact.now)
