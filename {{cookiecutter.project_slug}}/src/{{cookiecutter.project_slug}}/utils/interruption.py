"""Ctrl-C and SIGTERM at a moment of one's own choice."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def held_back() -> Iterator[Callable[[], None]]:
    """Keep SIGINT and SIGTERM waiting while libraries of native code run: in the midst of them Python may crash.

    Gives a function to call between two pieces of work: it raises KeyboardInterrupt where a signal waits. A second
    signal does not wait.
    """
    waiting = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        if waiting.is_set():
            signal.default_int_handler(number, frame)
        waiting.set()

    def check() -> None:
        if waiting.is_set():
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # only there are signals taken
        yield check
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield check
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
