"""Signals wait until they are asked for."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.utils import verb
from {{ cookiecutter.project_slug }}.utils.interruption import held_back

from tests.project import ROOT, environment_of


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


def test_one_that_comes_last_interrupts_when_all_is_done():
    done = []

    def work() -> None:
        with held_back() as check:
            check()
            os.kill(os.getpid(), signal.SIGTERM)
            done.append(1)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == [1]


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


def ended_verb(folder: Path, *lines: str) -> tuple[int, str]:
    """The exit code and the messages of a verb whose function has these lines."""
    text = [f"from {verb.__name__} import run_verb", "def work(cfg):", *(f"    {line}" for line in lines)]
    (folder / "interrupted_verb.py").write_text("\n".join([*text, "run_verb('registry', work)"]) + "\n")
    paths = os.pathsep.join([str(folder), str(ROOT / "src")])
    command = [sys.executable, "-m", "interrupted_verb"]
    ended = subprocess.run(
        command, cwd=ROOT, env=environment_of() | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("where", ["raise KeyboardInterrupt", "exec('raise KeyboardInterrupt')"])
def test_an_interrupted_verb_says_so(tmp_path, where):
    """Also within an exec of text, by which dataclasses and named tuples are made while libraries are imported."""
    assert ended_verb(tmp_path, where) == (130, "interrupted\n")


@pytest.mark.parametrize(
    ("number", "of_sigint"),
    [("SIGINT", "default_int_handler"), ("SIGTERM", "default_int_handler"), ("SIGTERM", "SIG_IGN")],
)
def test_one_that_is_dropped_in_a_callback_ends_the_verb(tmp_path, number, of_sigint):
    """Also where SIGINT is ignored, as in all that a script starts in the background."""
    lines = [
        "import os, signal, sys, time, weakref",
        f"signal.signal(signal.SIGINT, signal.{of_sigint})",
        "class Deaf: pass",
        f"watch = weakref.finalize(Deaf(), os.kill, os.getpid(), signal.{number})",
        "sys.stderr.write('dropped\\n')",
        "time.sleep(60)",
        "sys.exit('lost')",
    ]
    assert ended_verb(tmp_path, *lines) == (130, "dropped\ninterrupted\n")


def test_other_exceptions_of_callbacks_are_told_as_ever(tmp_path):
    lines = ["class Broken:", "    def __del__(self): raise RuntimeError('of the test')", "Broken()"]
    code, errors = ended_verb(tmp_path, *lines)
    assert code == 0
    assert "Exception ignored in" in errors and errors.endswith("RuntimeError: of the test\n")
