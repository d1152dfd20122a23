"""The pages in NiceGUI: the process, the head of the page, its tabs."""

from typing import Any

from nicegui import app, run, ui

from {{ cookiecutter.project_slug }}.schemas.dashboard import DashboardSettings

from . import facts, words
from .nicegui_model import ModelTab
from .nicegui_parts import banner, chip
from .nicegui_predict import PredictTab
from .nicegui_tables import CompareTab, ScoreTab
from .session import Services, Session

COLORS = {"primary": "#4f46e5", "secondary": "#0ea5a4", "accent": "#f59e0b", "negative": "#dc2626", "dark": "#1e2433"}
STYLE = """
body { background: #f5f6fa; color: #1e2433; }
.nicegui-content { padding: 0; }
.q-tab__label { font-size: 0.95rem; }
.q-tab-panel { padding: 1rem 0 0 0; }
"""


def serve(settings: DashboardSettings) -> None:
    """Serve the pages until a signal ends the process."""
    services = Services(settings)
    app.on_shutdown(services.close)
    ui.run(
        lambda: Page(Session(services)).draw(),
        host=settings.host,
        port=settings.port,
        title="Dashboard",
        reload=False,
        show=False,
        show_welcome_message=False,
    )


class Page:
    """What one user sees; it goes with the browser's tab.

    Args:
        session: the user's.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._predict, self._score = PredictTab(session, self._show), ScoreTab(session)
        self._model, self._compare = ModelTab(session), CompareTab(session)
        self._tab = words.TABS[0]
        self._drawn: tuple[Any, ...] = ()
        """What the head and the tabs were drawn of."""

    def draw(self) -> None:
        """Everything, as it stands now; what is served is asked for once the browser is there, and again and again."""
        ui.context.client.on_delete(self._session.close)
        ui.colors(**COLORS)
        ui.add_css(STYLE)
        with ui.column().classes("w-full max-w-7xl mx-auto px-4 sm:px-8 py-6 gap-4"):
            self._head()
            self._body()
        ui.timer(self._session.settings.refresh_seconds, self._look)

    async def _look(self) -> None:
        await run.io_bound(self._session.look, at_once=True)
        await self._show()

    async def _show(self) -> None:
        """Draw anew what is not as it was drawn; what a user has entered stays."""
        session, served = self._session, self._session.served
        model = (served.identity, served.contract) if served else None
        drawn, self._drawn = self._drawn, (model, session.trouble, session.news)
        if drawn != self._drawn:
            self._head.refresh()
        if not drawn or drawn[0] != model:
            self._body.refresh()
            await self._load()

    @ui.refreshable_method
    def _head(self) -> None:
        session, served = self._session, self._session.served
        if served is not None:
            with ui.column().classes("gap-1"):
                with ui.row().classes("items-center gap-3"):
                    ui.label(served.contract.name).classes("text-3xl font-bold").props("role=heading aria-level=1")
                    chip(facts.version(served), "inventory_2", "violet")
                    if served.alias:
                        chip(served.alias, "label", "blue")
                    if session.trouble:
                        chip("does not answer", "error", "red")
                    else:
                        chip("serving", "check", "green")
                ui.label(facts.purpose(served)).classes("text-slate-500")
        if session.trouble:
            banner(session.trouble, "negative", "cloud_off")
        if session.news:
            banner(session.news, "info", "published_with_changes")

    @ui.refreshable_method
    def _body(self) -> None:
        if self._session.served is None:
            return
        look = "align=left no-caps dense active-color=primary"
        with ui.tabs().props(look).classes("w-full border-b border-slate-200") as tabs:
            names = [ui.tab(name) for name in words.TABS]
        tabs.on_value_change(lambda event: self._opened(event.value))
        draws = (self._predict.draw, self._score.draw, self._model.draw, self._compare.draw)
        with ui.tab_panels(tabs, value=self._tab, animated=False, keep_alive=True).classes("w-full bg-transparent"):
            for name, draw in zip(names, draws, strict=True):
                with ui.tab_panel(name):
                    draw()

    async def _opened(self, name: str) -> None:
        self._tab = name
        await self._load()

    async def _load(self) -> None:
        """Ask for what the open tab shows and others do not need."""
        if self._tab == words.TABS[2]:
            await self._model.load()
        elif self._tab == words.TABS[3]:
            await self._compare.load()
