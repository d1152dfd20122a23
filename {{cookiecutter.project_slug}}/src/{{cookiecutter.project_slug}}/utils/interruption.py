"""Ctrl-C and SIGTERM: never lost, and at a moment of one's own choice."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

AGAIN_SECONDS = 0.05
"""Long enough for a library's callback to have returned."""


def lose_none() -> None:
    """Send an interruption again that Python dropped: it ignores what is raised in a callback or a finalizer."""
    before = sys.unraisablehook

    def hook(dropped: "sys.UnraisableHookArgs") -> None:
        if not issubclass(dropped.exc_type, KeyboardInterrupt):
            before(dropped)
        elif not sys.is_finalizing():
            # what a shell starts in the background ignores SIGINT: there it was SIGTERM
            number = signal.SIGTERM if signal.getsignal(signal.SIGINT) is signal.SIG_IGN else signal.SIGINT
            timer = threading.Timer(AGAIN_SECONDS, os.kill, (os.getpid(), number))
            timer.daemon = True
            timer.start()

    sys.unraisablehook = hook


@contextmanager
def held_back() -> Iterator[Callable[[], None]]:
    """Keep SIGINT and SIGTERM waiting while libraries of native code run: in the midst of them Python may crash.

    Gives a function to call between two pieces of work: it raises KeyboardInterrupt where a signal waits. One that
    comes after the last call raises it at the end, when all is done. A second signal does not wait.
    """
    waiting = threading.Event()

    def note(*_: object) -> None:
        check()
        waiting.set()

    def check() -> None:
        if waiting.is_set():
            waiting.clear()
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
        check()
