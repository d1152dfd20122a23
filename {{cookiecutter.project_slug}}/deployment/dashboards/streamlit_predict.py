"""The tab with the form, the prediction and the what-if plot."""

from typing import Any

import altair as alt
import streamlit as st

from . import words
from .form import Field
from .session import Prediction, Session
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
        columns = st.columns(2)
        for position, field in enumerate(session.form):
            with columns[position % 2]:
                _widget(field)
                _problem(session, field.name)
        with st.container(horizontal=True):
            st.form_submit_button("Predict", type="primary", on_click=_predict, args=(session,))
            st.form_submit_button("Typical values", on_click=_reset, args=(session,))
    with right:
        if session.prediction is None:
            with st.container(border=True):
                st.subheader("Prediction", anchor=False)
                st.caption(words.FIRST_STEP)
        else:
            _answer(session.prediction)
            _what_if(session, session.prediction)


def _key(field: Field) -> str:
    return f"field {field.name}"


def _initial(field: Field) -> Any:
    value = field.typical
    return float(value) if field.column.kind == "number" and isinstance(value, int | float) else value


def _reset(session: Session) -> None:
    for field in session.form:
        st.session_state[_key(field)] = _initial(field)


def _predict(session: Session) -> None:
    session.predict({field.name: st.session_state.get(_key(field)) for field in session.form})


def _widget(field: Field) -> None:
    key, label, hint = _key(field), literal(field.label), literal(field.hint)
    if key not in st.session_state:
        st.session_state[key] = _initial(field)
    empty = "optional" if field.column.role == "key" else "missing" if field.column.missing else "needed"
    if field.widget == "number":
        step, form = (1, "%d") if field.column.kind == "integer" else (None, "%g")
        st.number_input(label, value=None, step=step, format=form, key=key, help=hint, placeholder=empty)
    elif field.widget == "text":
        st.text_input(label, value=None, key=key, help=hint, placeholder=empty)
    else:
        others = field.widget == "open choice"
        st.selectbox(
            label, field.choices, index=None, key=key, help=hint, placeholder=empty, accept_new_options=others
        )  # fmt: skip


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


def chart(curve: Curve) -> alt.LayerChart | alt.Chart:
    """The plot of a curve; the current value is marked."""
    rows = [
        {"x": x, "y": y, "series": name, "here": x == curve.here}
        for name, values in curve.series.items()
        for x, y in zip(curve.x, values, strict=True)
    ]
    many = len(curve.series) > 1
    y = alt.Y("y:Q", title=curve.y_title, axis=alt.Axis(format="%") if curve.is_probability else alt.Axis())
    if curve.kind == "bars":
        return _bars(rows, curve, y, many=many)
    kind = "T" if curve.kind == "times" else "Q"
    x = alt.X(f"x:{kind}", title=curve.x_title, scale=alt.Scale(zero=False, nice=False))
    color: Any = alt.Color("series:N", title=None, legend=alt.Legend(orient="top")) if many else alt.value(ACCENT)
    line = alt.Chart(alt.Data(values=rows)).mark_line(strokeWidth=2.5)
    line = line.encode(x=x, y=y.scale(zero=curve.is_probability), color=color)
    if curve.here is None:
        return line.properties(height=HEIGHT)
    here = alt.Chart(alt.Data(values=[{"x": curve.here}])).mark_rule(strokeDash=[5, 4], color="#64748b")
    return alt.layer(line, here.encode(x=x)).properties(height=HEIGHT)


def _bars(rows: list[dict[str, Any]], curve: Curve, y: alt.Y, *, many: bool) -> alt.Chart:
    x = alt.X("x:N", title=curve.x_title, sort=None, axis=alt.Axis(labelAngle=-35, labelLimit=120))
    bars = alt.Chart(alt.Data(values=rows)).mark_bar(cornerRadiusEnd=3).encode(x=x, y=y)
    if many:
        color = alt.Color("series:N", title=None, legend=alt.Legend(orient="top"))
        return bars.encode(xOffset="series:N", color=color).properties(height=HEIGHT)
    color = alt.Color("here:N", legend=None, scale=alt.Scale(domain=[False, True], range=[PALE, ACCENT]))
    return bars.encode(color=color).properties(height=HEIGHT)
