"""Where a request is worked on: in the event loop while that takes less than a moment, in a bounded pool above."""

import asyncio
import contextvars
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, ParamSpec, TypeVar

Where = Literal["event loop", "pool"]
WARM_UP, MEASURED = 5, 20
"""Calls before the measured ones, and those."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Placement:
    """What warm-up found. A larger request is judged in proportion to its bytes, and then to its rows."""

    where: Where
    """Of a request of one typical row."""
    one_row_ms: float | None
    """What it took from body to body; None: it could not be measured."""
    inline_bytes: int
    """Bodies up to this length are read in the event loop."""
    inline_rows: int
    """Requests of up to so many rows are answered there."""

    @classmethod
    def measured(cls, answer: Callable[[], object], body_bytes: int, inline_ms: float) -> "Placement":
        """Call `answer`, which serves a body of `body_bytes` with one row, and judge by the fastest call.

        The fastest, since a server that swaps is busy with requests meanwhile.
        """
        for _ in range(WARM_UP):
            answer()
        timings = []
        for _ in range(MEASURED):
            begin = time.perf_counter()
            answer()
            timings.append(1e3 * (time.perf_counter() - begin))
        one_row = min(timings)
        times = inline_ms / one_row
        if times < 1:
            return cls("pool", round(one_row, 4), 0, 0)
        return cls("event loop", round(one_row, 4), int(body_bytes * times), math.floor(times))

    @classmethod
    def unmeasured(cls) -> "Placement":
        """For a model with no typical row that it answers: everything goes to the pool."""
        return cls("pool", None, 0, 0)

    def describe(self) -> dict[str, Any]:
        """For `/model`."""
        return {
            "where": self.where,
            "one_row_ms": self.one_row_ms,
            "inline_bytes": self.inline_bytes,
            "inline_rows": self.inline_rows,
        }


class Pool:
    """A few threads for requests that would block the event loop.

    Args:
        threads: how many.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._running, self._lock = 0, threading.Lock()
        self.begin()

    def begin(self) -> None:
        """Take requests, for the first time or again."""
        self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix="inference")

    @property
    def busy(self) -> bool:
        """Whether a thread is at work."""
        return self._running > 0

    async def run(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Call `function` in a thread, where log lines keep the request's id."""
        context = contextvars.copy_context()

        def call() -> Result:
            with self._lock:
                self._running += 1
            try:
                return context.run(function, *args, **kwargs)
            finally:
                with self._lock:
                    self._running -= 1

        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    def close(self) -> None:
        """Take no more; what has begun goes on."""
        self._executor.shutdown(wait=False, cancel_futures=True)
