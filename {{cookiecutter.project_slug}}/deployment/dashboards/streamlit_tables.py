"""The tabs that score an uploaded table, and that compare two services."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from {{ cookiecutter.project_slug }}.ports import UserError

from . import comparison, facts, words
from .session import OnRows, Session
from .streamlit_background import Background
from .streamlit_text import literal, pairs

KINDS = ["csv", "parquet", "pq"]
ASKING = "Asking the second service."


def draw_scoring(session: Session) -> None:
    """Upload, progress, what came out, downloads."""
    with st.container(border=True):
        st.subheader("Score a table", anchor=False)
        st.caption(words.UPLOAD)
        file = st.file_uploader("Table", KINDS, key="upload", on_change=_taken, args=(session,))
        if session.upload is not None:
            st.caption(literal(facts.uploaded(session.upload[1])))
        if file is not None and st.button("Score", type="primary", disabled=session.upload is None):
            _with_progress(session.score, "scoring")
        _trouble("scoring")
    if session.scored is not None:
        _scored(session)


def _taken(session: Session) -> None:
    file, st.session_state["scoring"] = st.session_state.upload, None
    if file is not None:
        session.keep(file.name, file.getvalue())


def _scored(session: Session) -> None:
    scored = session.scored
    assert scored is not None
    assert session.upload is not None
    path, called = session.upload
    shown, stem = session.settings.preview_rows, Path(called).stem
    with st.container(border=True):
        st.subheader(literal(f"{words.rows(scored.table.num_rows)} scored"), anchor=False)
        st.caption(literal(facts.scored_line(scored)))
        for warning in scored.warnings:
            st.warning(literal(warning))
        if scored.table.num_rows:
            st.dataframe(scored.table.slice(0, shown), hide_index=True)
            name = f"{stem}_scored{path.suffix}"
            st.download_button("Download predictions", scored.file, name, on_click="ignore", type="primary")
    if scored.rejects is not None:
        with st.container(border=True):
            st.subheader(literal(f"{words.rows(scored.rejects.num_rows)} rejected"), anchor=False)
            st.dataframe(scored.rejects.slice(0, shown), hide_index=True)
            name = f"{stem}_scored.rejects{path.suffix}"
            st.download_button("Download rejected rows", scored.rejects_file, name, on_click="ignore")


def _with_progress(work: Callable[[OnRows], Any], trouble: str) -> Any:
    """Call something that scores a table, and show how far it is.

    Args:
        work: is told where to report its rows.
        trouble: the key under which the session keeps what went wrong, until it is tried again.
    """
    bar = st.progress(0.0, text="Reading the table")

    def on_rows(done: int, total: int) -> None:
        bar.progress(done / max(total, 1), text=literal(f"{done:,} of {total:,} rows"))

    st.session_state[trouble] = None
    try:
        return work(on_rows)
    except UserError as error:
        st.session_state[trouble] = str(error)
        return None
    finally:
        bar.empty()


def _trouble(key: str) -> None:
    if st.session_state.get(key):
        st.error(literal(st.session_state[key]))


def draw_comparison(session: Session) -> None:
    """Metrics side by side, then the same row and the same table through both services."""
    if "compared" not in st.session_state:
        st.session_state.compared = Background(session.compared)
    try:
        compared = st.session_state.compared.answer()
    except UserError as error:
        st.info(literal(str(error)))
        return
    if compared is None:
        st.caption(ASKING)
        return
    first, second = session.served, compared.second
    assert first is not None
    titles = [literal(title) for title in session.titles(first.identity, second.identity)]
    warning = comparison.of_contracts(first, second)
    if warning:
        st.warning(literal(warning))
    left, right = st.columns(2, gap="large")
    with left, st.container(border=True):
        st.subheader("Metrics", anchor=False)
        st.caption(words.METRICS)
        lines = comparison.of_metrics(first.metrics, second.metrics)
        _lines(lines, titles) if lines else st.caption(words.NO_METRICS)
    with right, st.container(border=True):
        st.subheader("The same row", anchor=False)
        if compared.prediction is not session.prediction:
            st.caption(ASKING)
        elif compared.prediction is None:
            st.caption(words.NO_ROW)
        elif isinstance(compared.row, str):
            st.error(literal(compared.row))
        else:
            _lines(compared.row.lines, [literal(title) for title in compared.row.titles])
    with st.container(border=True):
        st.subheader("The same table", anchor=False)
        if session.upload is None:
            st.caption(words.NO_TABLE)
        elif st.button("Compare the table", type="primary"):
            upload = session.upload
            st.session_state.compared_table = _with_progress(session.compare_table, "comparing"), upload
        _trouble("comparing")
        result, upload = st.session_state.get("compared_table", (None, None))
        if result is not None and upload is session.upload:
            st.caption(literal(f"{upload[1]}: {result.titles[0]} against {result.titles[1]}"))
            pairs(result.tables.lines)
            st.dataframe(result.tables.rows.slice(0, session.settings.preview_rows), hide_index=True)
            st.download_button("Download differences", result.tables.file, "differences.csv", on_click="ignore")


def _lines(lines: list[comparison.Line], titles: list[str]) -> None:
    rows = {
        "": [literal(line.what) for line in lines],
        titles[0]: [literal(line.first) for line in lines],
        titles[1]: [literal(line.second) for line in lines],
        "difference": [literal(line.difference) for line in lines],
    }
    st.table(rows, border="horizontal", hide_index=True)
