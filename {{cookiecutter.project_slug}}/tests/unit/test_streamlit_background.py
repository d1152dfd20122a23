"""A page that asks in a thread: it waits a moment, shows what it knows, and is told of errors."""

import threading
from queue import Queue

import pytest

from {{ cookiecutter.project_slug }}.ports import UserError

from deployment.dashboards.streamlit_background import Background


def test_a_quick_answer_is_there_at_once_and_is_the_newest() -> None:
    answers = iter([1, 2, 3])
    background = Background(lambda: next(answers), patience=60)
    assert [background.answer() for _ in range(3)] == [1, 2, 3]


def test_one_that_hangs_is_not_waited_for_and_the_last_answer_stays() -> None:
    given, asked = Queue[int](), list[int]()

    def ask() -> int:
        asked.append(1)
        return given.get()

    background = Background(ask, patience=0.01)
    assert [background.answer() for _ in range(3)] == [None, None, None]
    assert len(asked) == 1, "one question at a time"
    given.put(7)
    while background.answer() is None:
        pass
    assert [background.answer() for _ in range(3)] == [7, 7, 7]
    assert len(asked) == 2
    given.put(8)


def test_an_error_is_an_answer() -> None:
    fine = threading.Event()

    def ask() -> str:
        if not fine.is_set():
            raise UserError("no second service is set")
        return "served"

    background = Background(ask, patience=60)
    for _ in range(2):
        with pytest.raises(UserError, match=r"^no second service is set$"):
            background.answer()
    fine.set()
    assert background.answer() == "served"
