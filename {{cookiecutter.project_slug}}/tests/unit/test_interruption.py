"""Signals wait until they are asked for."""

import os
import signal
import threading

import pytest

from {{ cookiecutter.project_slug }}.utils.interruption import held_back


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits(number):
    before = signal.getsignal(number)
    with held_back() as check:
        check()
        os.kill(os.getpid(), number)
        with pytest.raises(KeyboardInterrupt):
            check()
    assert signal.getsignal(number) is before


def test_a_second_signal_does_not_wait():
    with held_back():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_in_another_thread_nothing_is_held_back():
    before, seen = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        with held_back() as check:
            check()
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
