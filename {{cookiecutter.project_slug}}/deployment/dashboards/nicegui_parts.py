"""Pieces that several tabs are made of. Text goes in as text: nothing here reads HTML or Markdown."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from nicegui import ui

TONES = {
    "violet": "bg-violet-50 text-violet-700",
    "blue": "bg-sky-50 text-sky-700",
    "green": "bg-emerald-50 text-emerald-700",
    "red": "bg-red-50 text-red-700",
    "gray": "bg-slate-100 text-slate-600",
}
BANNERS = {
    "negative": "bg-red-50 text-red-800 border-red-200",
    "warning": "bg-amber-50 text-amber-800 border-amber-200",
    "info": "bg-sky-50 text-sky-800 border-sky-200",
}


ROWS = 10
"""Of a table on one of its pages."""


@contextmanager
def card(heading: str) -> Iterator[None]:
    """A white box with a heading."""
    with ui.card().classes("w-full shadow-none border border-slate-200 rounded-xl p-5 gap-3"):
        ui.label(heading).classes("text-lg font-semibold").props("role=heading aria-level=2")
        yield


def chip(text: str, icon: str, tone: str) -> None:
    """A short fact."""
    with ui.row().classes(f"items-center gap-1 px-2 py-0.5 rounded-md text-sm {TONES[tone]}"):
        ui.icon(icon).props("aria-hidden=true")
        ui.label(text)


def banner(text: str, tone: str, icon: str = "error_outline") -> None:
    """A line that wants to be read."""
    with ui.row().classes(f"w-full items-center gap-2 px-4 py-3 rounded-lg border no-wrap {BANNERS[tone]}"):
        ui.icon(icon, size="sm").props("aria-hidden=true")
        ui.label(text).classes("break-words min-w-0").props("role=alert")


def note(text: str) -> None:
    """A line in grey."""
    ui.label(text).classes("text-sm text-slate-500 break-words max-w-full")


def pairs(rows: Sequence[tuple[str, str]]) -> None:
    """Names and values below each other."""
    with ui.element("dl").classes("w-full grid grid-cols-[max-content_1fr] gap-x-6"):
        for name, value in rows:
            with ui.element("dt").classes("py-1.5 font-medium"):
                ui.label(name)
            with ui.element("dd").classes("py-1.5 min-w-0"):
                ui.label(value).classes("break-words")


def grid(table: pa.Table, shown: int, label: str) -> None:
    """The first rows of a table."""
    columns = [
        {"name": f"c{position}", "field": f"c{position}", "label": name, "align": "left", "sortable": True}
        for position, name in enumerate(table.column_names)
    ]
    rows = [
        {"n": number} | {f"c{position}": _cell(value) for position, value in enumerate(row.values())}
        for number, row in enumerate(table.slice(0, shown).to_pylist())
    ]
    view = ui.table(rows=rows, columns=columns, row_key="n", pagination=ROWS)
    view.classes("w-full shadow-none border border-slate-200 rounded-lg").props("dense wrap-cells flat")
    if len(rows) <= ROWS:
        view.props("hide-bottom")
    view.props["aria-label"] = label


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, str | int):
        return value
    return f"{value:.6g}" if isinstance(value, float) else str(value)
