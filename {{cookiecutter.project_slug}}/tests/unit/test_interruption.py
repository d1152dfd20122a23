"""Signals wait until they are asked for."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from {{ cookiecutter.project_slug }}.utils import verb
from {{ cookiecutter.project_slug }}.utils.interruption import held_back, remembered

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


class Deaf:
    """Python ignores what is raised while an object is finalized."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_one_that_a_callback_swallows_is_remembered():
    before = signal.getsignal(signal.SIGTERM)
    with remembered() as came:
        deaf = Deaf()
        assert not came.is_set()
        del deaf
        assert came.is_set()
    assert signal.getsignal(signal.SIGTERM) is before


def test_one_that_waits_is_remembered():
    with remembered() as came:
        with held_back(came):
            os.kill(os.getpid(), signal.SIGTERM)
        assert came.is_set()
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


@pytest.mark.parametrize("where", ["raise KeyboardInterrupt", "exec('raise KeyboardInterrupt')"])
def test_an_interrupted_verb_says_so(tmp_path, where):
    """Also within an exec of text, by which dataclasses and named tuples are made while libraries are imported."""
    lines = [f"from {verb.__name__} import run_verb", "def work(cfg):", f"    {where}", "run_verb('registry', work)"]
    (tmp_path / "interrupted_verb.py").write_text("\n".join(lines) + "\n")
    paths = os.pathsep.join([str(tmp_path), str(ROOT / "src")])
    command = [sys.executable, "-m", "interrupted_verb"]
    ended = subprocess.run(
        command, cwd=ROOT, env=environment_of() | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (130, "interrupted\n")
