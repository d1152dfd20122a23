"""The tab that says what is being served."""

from typing import Any, Literal

import streamlit as st

from . import facts, words
from .session import Session
from .streamlit_text import literal, pairs

Color = Literal["green", "red", "gray"]
VERDICTS: dict[str, tuple[Color, str]] = {
    "passed": ("green", ":material/check:"),
    "refused": ("red", ":material/close:"),
}
OFF: tuple[Color, str] = ("gray", ":material/remove:")


def draw(session: Session) -> None:
    """Metrics, origin, the gates' report, columns."""
    served = session.served
    assert served is not None
    if served.metrics:
        with st.container(border=True):
            st.subheader("Quality on the held-out rows", anchor=False)
            with st.container(horizontal=True):
                for name, value in sorted(served.metrics.items()):
                    st.metric(literal(name.removeprefix("test/")), literal(words.number(value)), width=150)
    left, right = st.columns([5, 6], gap="large")
    with left, st.container(border=True):
        st.subheader("Where it comes from", anchor=False)
        pairs(list(facts.origin(served).items()))
    with right, st.container(border=True):
        st.subheader("Gates", anchor=False)
        _gates(session.report)
    with st.container(border=True):
        st.subheader("Columns", anchor=False)
        st.dataframe(facts.columns(served.contract), hide_index=True)


def _gates(report: dict[str, Any] | str) -> None:
    if isinstance(report, str):
        st.caption(literal(report))
        return
    st.caption(literal(facts.report_line(report)))
    for gate in facts.gates(report):
        with st.container(horizontal=True, vertical_alignment="center"):
            color, icon = VERDICTS.get(gate.verdict, OFF)
            st.badge(literal(gate.verdict), color=color, icon=icon)
            st.markdown(f"**{literal(gate.name)}**")
        st.caption(literal(gate.reason))
