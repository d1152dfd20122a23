"""The tabs that score an uploaded table, and that compare two services."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from nicegui import run, ui

from {{ cookiecutter.project_slug }}.ports import UserError

from . import comparison, facts, words
from .nicegui_parts import banner, card, grid, note, pairs
from .results import Compared, TableComparison
from .session import OnRows, Session

MEGABYTE = 1_000_000
TICK = 0.2
"""Seconds between two looks at how far a table is."""


class ScoreTab:
    """Upload, progress, what came out, downloads.

    Args:
        session: the user's.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._trouble: str | None = None

    def draw(self) -> None:
        """The whole tab."""
        with ui.column().classes("w-full gap-6"):
            with card("Score a table"):
                note(words.UPLOAD)
                limit = self._session.settings.upload_mb
                ui.upload(
                    label=f"Table, up to {limit} MB", auto_upload=True, max_file_size=limit * MEGABYTE,
                    on_upload=self._taken, on_rejected=self._too_large,
                ).props('accept=".csv,.parquet,.pq" flat bordered').classes("w-full max-w-xl")  # fmt: skip
                self._named()
                self._progress = Progress()
                self._button = ui.button("Score", on_click=self._score).props("no-caps unelevated")
                self._button.set_enabled(self._session.upload is not None)
            self._result()

    async def _taken(self, event: Any) -> None:
        if event.file.size() > self._session.settings.upload_mb * MEGABYTE:  # a browser need not keep to the limit
            self._too_large()
            return
        self._session.keep(event.file.name, await event.file.read())
        self._trouble = None
        self._button.enable()
        self._named.refresh()
        self._result.refresh()

    @ui.refreshable_method
    def _named(self) -> None:
        if self._session.upload is not None:
            note(facts.uploaded(self._session.upload[1]))

    def _too_large(self) -> None:
        self._trouble = f"the file has more than {self._session.settings.upload_mb} MB: make predict scores large files"
        self._result.refresh()

    async def _score(self) -> None:
        self._button.disable()
        self._trouble = None
        try:
            await self._progress.of(self._session.score)
        except UserError as error:
            self._trouble = str(error)
        finally:
            self._button.enable()
        self._result.refresh()

    @ui.refreshable_method
    def _result(self) -> None:
        if self._trouble:
            banner(self._trouble, "negative")
        scored, upload = self._session.scored, self._session.upload
        if scored is None or upload is None:
            return
        shown, suffix, stem = self._session.settings.preview_rows, upload[0].suffix, Path(upload[1]).stem
        with card(f"{words.rows(scored.table.num_rows)} scored"):
            note(facts.scored_line(scored))
            for warning in scored.warnings:
                banner(warning, "warning")
            if scored.table.num_rows:
                grid(scored.table, shown, "Scored rows")
                _download("Download predictions", lambda: scored.file, f"{stem}_scored{suffix}")
        if scored.rejects is not None:
            with card(f"{words.rows(scored.rejects.num_rows)} rejected"):
                grid(scored.rejects, shown, "Rejected rows")
                _download("Download rejected rows", lambda: scored.rejects_file, f"{stem}_scored.rejects{suffix}")


class CompareTab:
    """Metrics side by side, then the same row and the same table through both services.

    Args:
        session: the user's.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._seen: Compared | None = None
        self._trouble: str | None = None
        self._table: TableComparison | str | None = None
        self._compared: tuple[Path, str] | None = None

    async def load(self) -> None:
        """Ask both services, now that somebody looks."""
        self._seen, self._trouble = None, None
        try:
            self._seen = await run.io_bound(self._session.compared)
        except UserError as error:
            self._trouble = str(error)
        self._drawn.refresh()

    def draw(self) -> None:
        """The whole tab."""
        self._drawn()

    @ui.refreshable_method
    def _drawn(self) -> None:
        first, seen = self._session.served, self._seen
        if first is None or seen is None:
            if self._trouble:
                banner(self._trouble, "info", "compare_arrows")
            return
        second, row = seen.second, seen.row
        titles = self._session.titles(first.identity, second.identity)
        warning = comparison.of_contracts(first, second)
        with ui.column().classes("w-full gap-6"):
            if warning:
                banner(warning, "warning")
            with ui.element("div").classes("w-full grid grid-cols-1 lg:grid-cols-2 gap-6 items-start"):
                with card("Metrics"):
                    note(words.METRICS)
                    lines = comparison.of_metrics(first.metrics, second.metrics)
                    _lines(lines, titles, "Metrics") if lines else note(words.NO_METRICS)
                with card("The same row"):
                    if isinstance(row, str):
                        note(row)
                    else:
                        _lines(row.lines, row.titles, "The same row")
            with card("The same table"):
                if self._session.upload is None:
                    note(words.NO_TABLE)
                else:
                    self._progress = Progress()
                    self._button = ui.button("Compare the table", on_click=self._compare).props("no-caps unelevated")
                    self._tables()

    async def _compare(self) -> None:
        self._button.disable()
        self._compared = self._session.upload
        try:
            self._table = await self._progress.of(self._session.compare_table)
        except UserError as error:
            self._table = str(error)
        finally:
            self._button.enable()
        self._tables.refresh()

    @ui.refreshable_method
    def _tables(self) -> None:
        result, upload = self._table, self._compared
        if isinstance(result, str):
            banner(result, "negative")
        elif result is not None and upload is not None and upload is self._session.upload:
            note(f"{upload[1]}: {result.titles[0]} against {result.titles[1]}")
            pairs(result.tables.lines)
            grid(result.tables.rows, self._session.settings.preview_rows, "Differences")
            _download("Download differences", lambda: result.tables.file, "differences.csv")


class Progress:
    """A bar that moves while a table is scored in a thread."""

    def __init__(self) -> None:
        with ui.column().classes("w-full gap-1") as self._box:
            self._label = ui.label("Reading the table").classes("text-sm text-slate-500")
            self._bar = ui.linear_progress(0, show_value=False).props("rounded")
        self._box.set_visibility(False)
        self._done = (0, 0)

    async def of(self, work: Callable[[OnRows], Any]) -> Any:
        """The result of `work`, which is told where to report its rows."""
        self._done = (0, 0)
        self._box.set_visibility(True)
        timer = ui.timer(TICK, self._show)
        try:
            return await run.io_bound(work, self._report)
        finally:
            timer.cancel()
            self._box.set_visibility(False)

    def _report(self, done: int, total: int) -> None:
        self._done = (done, total)

    def _show(self) -> None:
        done, total = self._done
        if total:
            self._label.text, self._bar.value = f"{done:,} of {total:,} rows", done / total


def _lines(lines: Sequence[comparison.Line], titles: tuple[str, str], label: str) -> None:
    table = {
        "": [line.what for line in lines],
        titles[0]: [line.first for line in lines],
        titles[1]: [line.second for line in lines],
        "difference": [line.difference for line in lines],
    }
    grid(pa.table(table), len(lines), label)


def _download(text: str, content: Callable[[], bytes], name: str) -> None:
    """A button; the file is written when it is pressed, in a thread: a large one would hold up every other page."""

    async def hand_over() -> None:
        file = await run.io_bound(content)
        if file is not None:  # the process is ending
            ui.download.content(file, name)

    button = ui.button(text, icon="download", on_click=hand_over)
    button.props("no-caps outline")
