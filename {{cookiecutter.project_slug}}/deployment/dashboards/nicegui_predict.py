"""The tab with the form, the prediction and the what-if plot."""

from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import run, ui
from nicegui.elements.mixins.validation_element import ValidationElement

from . import words
from .form import Field
from .nicegui_parts import banner, card, note
from .results import Prediction
from .session import Session
from .sweep import Curve, sweepable

ACCENT, PALE, GREY = "#4f46e5", "#c7c9f1", "#64748b"
SERIES = [ACCENT, "#0ea5a4", "#f59e0b", "#e11d48", "#0284c7", "#65a30d"]


class PredictTab:
    """The form on the left, answers on the right; below each other where it is narrow.

    Args:
        session: the user's.
        show: called when an answer may have told something of the service.
    """

    def __init__(self, session: Session, show: Callable[[], Awaitable[None]]) -> None:
        self._session, self._show = session, show
        self._fields: list[Field] = []
        self._widgets: dict[str, ValidationElement[Any]] = {}
        self._entered: dict[tuple[str, str], Any] = {}
        """What the form held when the model changed, by name and widget; the new form takes what has both again."""

    def draw(self) -> None:
        """The whole tab."""
        self._entered = {_place(field): self._widgets[field.name].value for field in self._fields}
        self._fields = self._session.form
        with ui.element("div").classes("w-full grid grid-cols-1 lg:grid-cols-[5fr_6fr] gap-6 items-start"):
            with card("Inputs"):
                self._general()
                with ui.element("div").classes("w-full grid grid-cols-1 sm:grid-cols-2 gap-x-4 gap-y-3"):
                    self._widgets = {field.name: self._widget(field) for field in self._fields}
                with ui.row():
                    self._button = ui.button("Predict", on_click=self._predict).props("no-caps unelevated")
                    ui.button("Typical values", on_click=self._reset).props("no-caps outline")
            with ui.column().classes("w-full gap-6 min-w-0"):
                self._answer()

    def _widget(self, field: Field) -> ValidationElement[Any]:
        value = self._entered.get(_place(field), field.typical)
        widget: ValidationElement[Any]
        if field.widget == "number":
            widget = ui.number(field.label, value=value, step=1 if field.column.kind == "integer" else None)
        elif field.widget == "text":
            widget = ui.input(field.label, value=value or "")
        else:
            options = list(dict.fromkeys([*field.choices, *([value] if value else [])]))
            free = field.widget == "open choice"
            widget = ui.select(
                options, label=field.label, value=value, with_input=free, new_value_mode="add-unique" if free else None
            )  # fmt: skip
        widget.classes("w-full").props("outlined dense clearable stack-label hide-bottom-space")
        widget.props["hint"] = field.hint + ("; Enter takes it" if field.widget == "open choice" else "")
        return widget

    async def _reset(self) -> None:
        for field in self._fields:
            self._widgets[field.name].value = field.typical
            self._widgets[field.name].error = None

    async def _predict(self) -> None:
        self._button.disable()
        try:
            entered = {name: widget.value for name, widget in self._widgets.items()}
            await run.io_bound(self._session.predict, entered)
        finally:
            self._button.enable()
        problem = self._session.problem
        for name, widget in self._widgets.items():
            widget.error = problem[1] if problem and problem[0] == name else None
        self._general.refresh()
        self._answer.refresh()
        await self._show()

    @ui.refreshable_method
    def _general(self) -> None:
        """What is wrong with no field of its own."""
        if self._session.problem and self._session.problem[0] is None:
            banner(self._session.problem[1], "negative")

    @ui.refreshable_method
    def _answer(self) -> None:
        prediction = self._session.prediction
        with card("Prediction"):
            if prediction is None:
                note(words.FIRST_STEP)
                return
            _headlines(prediction)
        with card("What if"):
            names = [column.name for column in sweepable(prediction.served.contract)]
            chosen = ui.select(names, label=words.WHAT_IF, value=self._session.swept, on_change=self._vary)
            chosen.classes("w-full").props("outlined dense")
            self._plot()

    async def _vary(self, event: Any) -> None:
        await run.io_bound(self._session.sweep, event.value)
        self._plot.refresh()

    @ui.refreshable_method
    def _plot(self) -> None:
        prediction = self._session.prediction
        if prediction is None:
            return
        if prediction.plot_trouble:
            banner(prediction.plot_trouble, "warning")
        for curve in prediction.curves:
            plot = ui.echart(chart(curve)).classes("w-full h-80").props("role=img")
            plot.props["aria-label"] = curve.summary
            note(curve.summary)


def _place(field: Field) -> tuple[str, str]:
    return field.name, field.widget


def _headlines(prediction: Prediction) -> None:
    contract = prediction.served.contract
    for headline in prediction.answer.headlines(contract):
        with ui.column().classes("gap-0"):
            note(headline.target)
            ui.label(headline.value).classes("text-4xl font-light")
        for label, share in headline.probabilities.items():
            with ui.column().classes("w-full gap-1"):
                ui.label(f"{label}: {words.percent(share)}").classes("text-sm break-words")
                bar = ui.linear_progress(min(max(share, 0.0), 1.0), show_value=False, size="8px")
                bar.props("rounded aria-hidden=true")
    for name, value in prediction.answer.added(contract).items():
        ui.label(f"{name}: {value}")
    note(f"Answered by {prediction.title}")


def chart(curve: Curve) -> dict[str, Any]:
    """The options of a curve's plot; the current value is marked."""
    many = len(curve.series) > 1
    # names and levels are drawn on the canvas, and never read as HTML
    tip = {"trigger": "axis", "renderMode": "richText"}
    options: dict[str, Any] = {
        "color": SERIES,
        "grid": {"left": 16, "right": 24, "top": 40 if many else 28, "bottom": 28, "containLabel": True},
        "tooltip": tip,
        "legend": {"show": many, "top": 0, "right": 0},
        "xAxis": _x_axis(curve),
        "yAxis": {
            "type": "value", "name": curve.y_title, "nameTextStyle": {"align": "left"},
            "scale": curve.kind != "bars" and not curve.is_probability, "max": 1 if curve.is_probability else None,
        },
        "series": [_series(curve, name, values) for name, values in curve.series.items()],
    }  # fmt: skip
    if curve.kind != "bars" and curve.here is not None:
        options["series"][0]["markLine"] = {
            "symbol": "none", "silent": True, "label": {"show": False}, "data": [{"xAxis": curve.here}],
            "lineStyle": {"color": GREY, "type": "dashed"},
        }  # fmt: skip
    return options


def _x_axis(curve: Curve) -> dict[str, Any]:
    kinds = {"bars": "category", "times": "time", "line": "value"}
    axis: dict[str, Any] = {"type": kinds[curve.kind], "name": curve.x_title, "nameLocation": "middle", "nameGap": 32}
    if curve.kind == "bars":
        return axis | {"data": curve.x, "axisLabel": {"interval": 0, "overflow": "truncate", "width": 110}}
    return axis | {"min": "dataMin", "max": "dataMax", "splitLine": {"show": False}, "axisLabel": {"hideOverlap": True}}


def _series(curve: Curve, name: str, values: list[float]) -> dict[str, Any]:
    if curve.kind != "bars":
        pairs = [list(pair) for pair in zip(curve.x, values, strict=True)]
        return {"type": "line", "name": name, "data": pairs, "showSymbol": False, "lineStyle": {"width": 2.5}}
    if len(curve.series) > 1:
        return {"type": "bar", "name": name, "data": values}
    bars = [
        {"value": value, "itemStyle": {"color": ACCENT if x == curve.here else PALE}}
        for x, value in zip(curve.x, values, strict=True)
    ]
    return {"type": "bar", "name": name, "data": bars, "itemStyle": {"borderRadius": [4, 4, 0, 0]}}
