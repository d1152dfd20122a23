"""The pages in Streamlit: the process, the head of the page, its tabs."""

from pathlib import Path

import streamlit as st
from streamlit.web import bootstrap

from {{ cookiecutter.project_slug }}.schemas.dashboard import DashboardSettings

from . import facts, streamlit_model, streamlit_predict, streamlit_tables, words
from .session import Services, Session
from .streamlit_text import literal

LOOK = {
    "theme.base": "light",
    "theme.primaryColor": "#4f46e5",
    "theme.backgroundColor": "#ffffff",
    "theme.secondaryBackgroundColor": "#f5f6fa",
    "theme.textColor": "#1e2433",
    "theme.borderColor": "#e3e6ef",
    "theme.baseRadius": "0.6rem",
    "theme.showWidgetBorder": True,
    "theme.baseFontSize": 15,
    "theme.metricValueFontSize": "2.1rem",
    "theme.headingFontSizes": ["1.9rem", "1.5rem", "1.15rem"],
    "theme.headingFontWeights": [700, 600, 600],
    "theme.chartCategoricalColors": ["#4f46e5", "#0ea5a4", "#f59e0b", "#e11d48", "#0284c7", "#65a30d"],
}
STYLE = "<style>.stMainBlockContainer {padding-top: 2.2rem; max-width: 80rem}</style>"
_services: list[Services] = []
"""What `serve` was given. Streamlit runs its script anew for every user and change; this module stays as it is."""


def serve(settings: DashboardSettings) -> None:
    """Serve the pages until a signal ends the process."""
    _services.append(Services(settings))
    options = LOOK | {
        "server.address": settings.host,
        "server.port": settings.port,
        "server.maxUploadSize": settings.upload_mb,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.showEmailPrompt": False,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "logger.level": "error",
    }
    flags = {name.replace(".", "_"): value for name, value in options.items()}
    bootstrap.load_config_options(flags)
    bootstrap.run(str(Path(__file__).with_name("streamlit_script.py")), is_hello=False, args=[], flag_options=flags)


def page() -> None:
    """What one user sees."""
    st.set_page_config("Dashboard", layout="wide")
    st.html(STYLE)
    (services,) = _services
    if "session" not in st.session_state:
        st.session_state.session = Session(services)
    # One fragment holds everything: what runs after a part that is drawn by itself can be lost on its way.
    st.fragment(_everything, run_every=services.settings.refresh_seconds)(st.session_state.session)


def _everything(session: Session) -> None:
    """The whole page; drawn anew at each change of a field, and every few seconds to see what is served."""
    session.look()
    with st.container():  # one place however many lines it has: what moves is made anew, and loses what it was about
        _head(session)
    if session.served is None:
        return
    # All are drawn: where the browser tells which one is open, a late answer to one click takes the next one back.
    predict, score, model, compare = st.tabs(words.TABS, key="tab")
    with predict:
        streamlit_predict.draw(session)
    with score:
        streamlit_tables.draw_scoring(session)
    with model:
        streamlit_model.draw(session)
    with compare:
        streamlit_tables.draw_comparison(session)


def _head(session: Session) -> None:
    """What is served, and whether it answers."""
    served = session.served
    if served is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.title(literal(served.contract.name), width="content", anchor=False)
            st.badge(literal(facts.version(served)), icon=":material/deployed_code:", color="violet")
            if served.alias:
                st.badge(literal(served.alias), icon=":material/label:", color="blue")
            if session.trouble:
                st.badge("does not answer", icon=":material/error:", color="red")
            else:
                st.badge("serving", icon=":material/check:", color="green")
        st.caption(literal(facts.purpose(served)))
    if session.trouble:
        st.error(literal(session.trouble), icon=":material/cloud_off:")
    if session.news:
        st.info(literal(session.news), icon=":material/published_with_changes:")
