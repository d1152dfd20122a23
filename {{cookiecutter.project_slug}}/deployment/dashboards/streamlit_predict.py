"""The tab with the form, the prediction and the what-if plot."""

from typing import Any

import altair as alt
import streamlit as st

from . import words
from .form import Field
from .results import Prediction
from .session import Session
from .streamlit_text import literal
from .sweep import Curve, sweepable

HEIGHT = 300
"""Of the plot, in pixels."""
ACCENT, PALE = "#4f46e5", "#c7c9f1"


def draw(session: Session) -> None:
    """The form on the left, answers on the right; below each other where it is narrow."""
    left, right = st.columns([5, 6], gap="large")
    with left, st.form("form", border=True):
        st.subheader("Inputs", anchor=False)
        _problem(session, None)
        fields = session.form
        for row in range(0, len(fields), 2):  # where it is narrow, the contract's order stays
            for place, field in zip(st.columns(2), fields[row : row + 2], strict=False):
                with place:
                    _widget(field)
                    _problem(session, field.name)
        with st.container(horizontal=True):
            st.form_submit_button("Predict", type="primary", on_click=_predict, args=(session,))
            st.form_submit_button("Typical values", on_click=_reset)
    with right:
        if session.prediction is None:
            with st.container(border=True):
                st.subheader("Prediction", anchor=False)
                st.caption(words.FIRST_STEP)
        else:
            _answer(session.prediction)
            _what_if(session, session.prediction)


def _key(field: Field) -> str:
    """A field's widget. What was entered stays while there is such a field, and goes when the form is begun anew."""
    return f"field {st.session_state.get('form', 0)} {field.widget} {field.name}"


def _reset() -> None:
    st.session_state["form"] = st.session_state.get("form", 0) + 1


def _predict(session: Session) -> None:
    entered = {field.name: st.session_state.get(_key(field)) for field in session.form}
    session.predict({name: None if value == words.MISSING else value for name, value in entered.items()})


def _widget(field: Field) -> None:
    """Its first value is given as such: one that is put into the session would come back over what is being typed."""
    key, label, hint, value = _key(field), literal(field.label), literal(field.hint), field.typical
    empty = "optional" if field.column.role == "key" else "missing" if field.column.missing else "needed"
    if field.widget in ("number", "text"):  # Streamlit's own field of a number takes no gap after a first value
        text = f"{value:.15g}" if isinstance(value, int | float) else value
        st.text_input(label, value=text, key=key, help=hint, placeholder=empty)
    else:
        missing = [words.MISSING] if field.column.missing else []
        options = list(dict.fromkeys([*field.choices, *([] if value is None else [value]), *missing]))
        index = None if value is None else options.index(value)
        others = field.widget == "open choice"
        st.selectbox(label, options, index, key=key, help=hint, placeholder=empty, accept_new_options=others)


def _problem(session: Session, name: str | None) -> None:
    if session.problem and session.problem[0] == name:
        st.error(literal(session.problem[1]))


def _answer(prediction: Prediction) -> None:
    contract = prediction.served.contract
    with st.container(border=True):
        st.subheader("Prediction", anchor=False)
        for headline in prediction.answer.headlines(contract):
            st.metric(literal(headline.target), literal(headline.value))
            for label, share in headline.probabilities.items():
                st.progress(min(max(share, 0.0), 1.0), text=literal(f"{label}: {words.percent(share)}"))
        for name, value in prediction.answer.added(contract).items():
            st.markdown(literal(f"{name}: {value}"))
        st.caption(literal(f"Answered by {prediction.title}"))


def _what_if(session: Session, prediction: Prediction) -> None:
    names = [column.name for column in sweepable(prediction.served.contract)]
    with st.container(border=True):
        st.subheader("What if", anchor=False)
        key = "what if"
        st.session_state[key] = session.swept
        st.selectbox(
            words.WHAT_IF, names, key=key,
            on_change=lambda: session.sweep(st.session_state[key]),
        )  # fmt: skip
        if prediction.plot_trouble:
            st.warning(literal(prediction.plot_trouble))
        for curve in prediction.curves:
            st.altair_chart(chart(curve), alt=curve.summary)
            st.caption(literal(curve.summary))


def chart(curve: Curve) -> alt.LayerChart:
    """The plot of a curve; the current value is marked."""
    rows = [
        {"x": x, "y": y, "series": name, "here": x == curve.here}
        for name, values in curve.series.items()
        for x, y in zip(curve.x, values, strict=True)
    ]
    axis = alt.Axis(format="%") if curve.is_probability else alt.Axis()
    y = alt.Y("y:Q", title=curve.y_title, axis=axis, scale=alt.Scale(zero=curve.kind == "bars" or curve.is_probability))
    layers = [_bars(rows, curve, y)] if curve.kind == "bars" else _lines(rows, curve, y)
    return alt.LayerChart(layer=layers, height=HEIGHT)


def _lines(rows: list[dict[str, Any]], curve: Curve, y: alt.Y) -> list[alt.Chart]:
    kind = "T" if curve.kind == "times" else "Q"
    x = alt.X(f"x:{kind}", title=curve.x_title, scale=alt.Scale(zero=False, nice=False))
    color: Any = _legend() if len(curve.series) > 1 else alt.value(ACCENT)
    lines = [_chart(rows).mark_line(strokeWidth=2.5).encode(x=x, y=y, color=color)]
    if curve.here is not None:
        lines.append(_chart([{"x": curve.here}]).mark_rule(strokeDash=[5, 4], color="#64748b").encode(x=x))
    return lines


def _bars(rows: list[dict[str, Any]], curve: Curve, y: alt.Y) -> alt.Chart:
    x = alt.X("x:N", title=curve.x_title, sort=None, axis=alt.Axis(labelAngle=-35, labelLimit=120))
    marked = alt.Color("here:N", legend=None, scale=alt.Scale(domain=[False, True], range=[PALE, ACCENT]))
    grouped: dict[str, Any] = (
        {"xOffset": "series:N", "color": _legend()} if len(curve.series) > 1 else {"color": marked}
    )
    bars: alt.Chart = _chart(rows).mark_bar(cornerRadiusEnd=3).encode(x=x, y=y, **grouped)
    return bars


def _legend() -> alt.Color:
    return alt.Color("series:N", title=None, legend=alt.Legend(orient="top"))


def _chart(rows: list[dict[str, Any]]) -> alt.Chart:
    return alt.Chart(alt.InlineData(values=rows))
