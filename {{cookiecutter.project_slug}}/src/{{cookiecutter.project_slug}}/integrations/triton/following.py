"""Keeps a server at the version that an alias names: looks again and again, and syncs when the two are not the same."""

import time
from collections.abc import Callable

from loguru import logger

from ...ports import UnreachableError, UserError

PATIENCE = 600.0
"""Seconds after which a version whose sync failed is tried again; at once when the alias names another one."""


class Following:
    """One alias over time, and one server.

    Args:
        named: the version that the alias names now.
        served: the version that the server serves now; None: no version.
        sync: brings the server to what the alias names, or leaves it as it is.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        named: Callable[[], int],
        served: Callable[[], int | None],
        sync: Callable[[], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._named, self._served, self._sync, self._clock = named, served, sync, clock
        self._failed: tuple[int, float] | None = None
        """The version whose sync failed, and when."""
        self._trouble: str | None = None

    def look(self) -> None:
        """Look once; what goes wrong is said once, and never ends the following."""
        try:
            number = self._named()
            if number == self._served():
                self._failed = self._trouble = None
            elif self._failed is None or self._failed[0] != number or self._clock() - self._failed[1] >= PATIENCE:
                self._bring(number)
        except UserError as error:  # a registry or a server that does not answer; an alias that was removed
            self._say(str(error))
        except Exception:  # a mistake in the code; a process that ended would take the server's pod out of its Service
            logger.exception("a look at the alias failed; the next one tries it again")

    def _bring(self, number: int) -> None:
        try:
            self._sync()
        except UnreachableError:  # no fault of the version's
            raise
        except UserError as error:
            self._failed = number, self._clock()
            self._say(f"version {number} is not served: {error}")
        else:
            self._failed = self._trouble = None

    def _say(self, trouble: str) -> None:
        if trouble != self._trouble:
            logger.warning("{}", trouble)
        self._trouble = trouble
