"""One process at a time moves a model's aliases, whatever machines they run on.

MLflow cannot compare and set. It numbers the entries of the record of moves, though: a process that wants to move an
alias appends one, and its turn comes when no older entry is open. A process that was killed leaves its entry open; the
next one closes it when its lease has ended, and goes on. One that was only slow sees that before it writes again.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from loguru import logger

from ..ports import Entry, Move, Registry, State, UnreachableError, UserError

POLL = 0.5
"""Seconds between two looks at the record, at most."""
GRACE = 0.1
"""Part of a lease for which the next process waits after it closed an entry: a request may be under way."""


class LeaseEndedError(UserError):
    """A move that took too long: the next one may have begun."""


@dataclass
class _Turn:
    """An entry of this process, and how long it counts."""

    entry: Entry
    asked: float
    """When the entry was asked for, by this process's clock: not after the registry made it."""
    answered: float
    """When the registry's answer was there: not before it made it."""
    wrote: bool = field(default=False)


class Turns:
    """The turns of the processes that move one model's aliases.

    Args:
        registry: where the record of moves is.
        name: of the model.
        lease: seconds that a turn may take, the wait for it included.
        clock: seconds that pass, from any beginning.
        sleep: waits.
    """

    def __init__(
        self,
        registry: Registry,
        name: str,
        lease: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._registry, self._name, self._lease, self._clock, self._sleep = registry, name, lease, clock, sleep

    @contextmanager
    def turn(self, move: Move) -> Iterator[None]:
        """Wait until it is this move's turn; what the block writes is then the only thing that moves.

        The entry ends as `done`; as `refused` if the block raises before it wrote anything, else as `abandoned`. It
        stays open until its lease has ended if the registry went away after a write.

        Raises:
            LeaseEndedError: the block took too long: it was stopped before its next write.
        """
        mine = self._wait(move)
        try:
            with self._registry.guarded(lambda: self._check(mine), self._lease * GRACE):
                yield
            self._check(mine)
        except LeaseEndedError:  # the entry is the next process's to close
            raise
        except (Exception, KeyboardInterrupt) as error:
            if mine.wrote and isinstance(error, UnreachableError):  # a write may still arrive: the lease tells when not
                raise
            self._leave(mine.entry, "abandoned" if mine.wrote else "refused")
            raise
        self._registry.close(mine.entry, "done")

    def _wait(self, move: Move) -> _Turn:
        """Append the move, until its turn comes with half of a lease left at least."""
        while True:
            asked = self._clock()
            entry = self._registry.append(self._name, move)
            mine = _Turn(entry, asked, self._clock())
            try:
                while self._is_behind(mine):
                    continue
            except (Exception, KeyboardInterrupt):
                self._leave(entry, "refused")
                raise
            if self._clock() - asked <= self._lease / 2:
                return mine
            self._registry.close(entry, "abandoned")

    def _is_behind(self, mine: _Turn) -> bool:
        """Whether an older entry is open, after some waiting if so; one whose lease has ended is closed."""
        older = [entry for entry in self._registry.entries(self._name, "open") if entry.number < mine.entry.number]
        if not older:
            return False
        ends = {}
        for entry in older:  # the registry's clock says how much older it is, this process's how long ago that was
            age = mine.entry.created - entry.created + self._clock() - mine.answered
            ends[entry.number] = self._lease - age
            if age >= self._lease:
                what = f"{entry.move.kind} of version {entry.move.version} by {entry.move.mover.by}"
                logger.warning("{}: the {} never ended, and is taken as killed", self._name, what)
                self._registry.close(entry, "abandoned")
        left = min(ends.values())
        self._sleep(self._lease * GRACE if left <= 0 else min(POLL, left, self._lease * GRACE))
        return True

    def _check(self, mine: _Turn) -> None:
        """Before each write: whether it is still this process's turn."""
        still_open = {entry.number for entry in self._registry.entries(self._name, "open")}
        if mine.entry.number not in still_open or self._clock() - mine.asked > self._lease:
            raise LeaseEndedError(
                f"{self._name}: the {mine.entry.move.kind} took longer than promotion.lease_seconds={self._lease:g}, "
                "and stopped before its next write: ask for it again"
            )
        mine.wrote = True

    def _leave(self, entry: Entry, state: State) -> None:
        try:
            self._registry.close(entry, state)
        except UserError as error:  # what led here is told; the lease tells the others
            logger.warning("the next move waits {:g} s for this one: {}", self._lease, error)
