"""The tab that says what is being served."""

from typing import Any

from nicegui import run, ui

from . import facts, words
from .nicegui_parts import card, chip, grid, note, pairs
from .session import Session

VERDICTS = {"passed": ("green", "check"), "refused": ("red", "close")}


class ModelTab:
    """Metrics, origin, the gates' report, columns.

    Args:
        session: the user's.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._report: dict[str, Any] | str = ""

    def draw(self) -> None:
        """The whole tab."""
        self._drawn()

    @ui.refreshable_method
    def _drawn(self) -> None:
        served = self._session.served
        assert served is not None
        with ui.column().classes("w-full gap-6"):
            if served.metrics:
                with card("Quality on the held-out rows"), ui.row().classes("gap-10"):
                    for name, value in sorted(served.metrics.items()):
                        with ui.column().classes("gap-0"):
                            note(name.removeprefix("test/"))
                            ui.label(words.number(value)).classes("text-3xl font-light")
            with ui.element("div").classes("w-full grid grid-cols-1 lg:grid-cols-[5fr_6fr] gap-6 items-start"):
                with card("Where it comes from"):
                    pairs(list(facts.origin(served).items()))
                with card("Gates"):
                    self._gates()
            with card("Columns"):
                grid(facts.columns(served.contract), len(served.contract.columns), "Columns")

    async def load(self) -> None:
        """Ask for the gates' report, now that somebody looks."""
        self._report = await run.io_bound(lambda: self._session.report) or self._report
        self._drawn.refresh()

    def _gates(self) -> None:
        report = self._report
        if isinstance(report, str):
            note(report)
            return
        note(facts.report_line(report))
        for gate in facts.gates(report):
            with ui.column().classes("gap-1 w-full"):
                with ui.row().classes("items-center gap-2"):
                    tone, icon = VERDICTS.get(gate.verdict, ("gray", "remove"))
                    chip(gate.verdict, icon, tone)
                    ui.label(gate.name).classes("font-medium")
                note(gate.reason)
