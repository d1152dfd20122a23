"""A question that is asked in a thread of its own: a page is drawn without waiting for a service that hangs."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

T = TypeVar("T")
PATIENCE = 0.5
"""Seconds that a page waits: a service that answers is quicker."""


class Background(Generic[T]):
    """Asks the same question again and again, one at a time, and remembers the last answer.

    Args:
        ask: gives the answer; whatever it raises is an answer too.
        patience: seconds to wait for it.
    """

    def __init__(self, ask: Callable[[], T], patience: float = PATIENCE) -> None:
        self._ask, self._patience = ask, patience
        self._asked: Future[T] | None = None
        self._last: Future[T] | None = None

    def answer(self) -> T | None:
        """Ask, and give the newest answer there is after a short wait; None while there has been none.

        Raises:
            Exception: what the newest answer raised.
        """
        if self._asked is None:
            self._asked = Future()
            threading.Thread(target=self._answer, args=(self._asked,), daemon=True).start()
        wait([self._asked], self._patience)
        if self._asked.done():
            self._last, self._asked = self._asked, None
        return None if self._last is None else self._last.result()

    def _answer(self, asked: Future[T]) -> None:
        try:
            asked.set_result(self._ask())
        except Exception as error:
            asked.set_exception(error)
