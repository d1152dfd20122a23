"""Ctrl-C and SIGTERM at a moment of one's own choice."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def remembered() -> Iterator[threading.Event]:
    """SIGINT and SIGTERM interrupt as ever; the event says that one came, for work that goes on until one does.

    Python drops an exception that is raised in a callback of a library, and with it the interruption.
    """
    came = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        came.set()
        signal.default_int_handler(number, frame)

    with _handled(note):
        yield came


@contextmanager
def held_back(waiting: threading.Event | None = None) -> Iterator[Callable[[], None]]:
    """Keep SIGINT and SIGTERM waiting while libraries of native code run: in the midst of them Python may crash.

    Gives a function to call between two pieces of work: it raises KeyboardInterrupt where a signal waits. A second
    signal does not wait. One that comes after the last call is forgotten, since all is done, unless it is remembered.

    Args:
        waiting: the event of `remembered`, where it surrounds this.
    """
    waiting = waiting or threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        if waiting.is_set():
            signal.default_int_handler(number, frame)
        waiting.set()

    def check() -> None:
        if waiting.is_set():
            raise KeyboardInterrupt

    with _handled(note):
        yield check


@contextmanager
def _handled(note: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only there are signals taken
        yield
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
