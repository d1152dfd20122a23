"""One user's session: predictions, tables, refusals, a service that goes and returns, a swap."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.ports import UserError, Version

from deployment.api.app import create_app
from deployment.dashboards import facts
from deployment.dashboards.session import Services, Session
from tests.dashboard_sessions import ENTERED, FILE, price, session
from tests.dashboards import Thread, service, settings
from tests.servables import CITY, serving, write_servable


def put(running: Thread, folder: Path, version: str, **tags: str) -> None:
    """Have a service answer with a version, as a swap does."""
    running.swap(folder, Version("house", version, f"run{version}", ("prod",), tags, 1.7e9))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_servable(tmp_path / "a", wide=False)


@pytest.fixture
def running(folder: Path) -> Iterator[Thread]:
    with service(folder) as started:
        yield started


def test_predictions(running: Thread) -> None:
    mine, theirs = session(running), session(running)
    mine.predict(ENTERED)
    assert mine.prediction is not None
    (headline,) = mine.prediction.answer.headlines(mine.prediction.served.contract)
    assert (headline.target, headline.value) == ("price", f"{price():.5g} k$")
    assert mine.swept == "age"
    mine.sweep(CITY)
    (curve,) = mine.prediction.curves
    assert curve.x == ["süd", "nord", "5", "true", "(missing)"]
    assert curve.series["price"] == pytest.approx([price(**{CITY: level}) for level in (*curve.x[:-1], None)])
    mine.predict(ENTERED | {"income": None})
    assert mine.swept == CITY
    assert theirs.prediction is None
    mine.sweep("no column of this model")
    assert mine.prediction is not None
    assert mine.prediction.curves == []


def test_another_model_at_the_same_address(folder: Path, tmp_path: Path) -> None:
    """What a restart may bring: no swap would."""
    contract = Engine(folder).contract
    first = Thread(create_app(serving(folder)))
    one = session(first)
    one.predict(ENTERED)
    one.sweep("income")
    first.end()
    second = Thread(create_app(serving(write_servable(tmp_path / "risk", "classification", wide=False))), first.port)
    try:
        one.predict(ENTERED)
        assert one.prediction is None
        assert one.problem is not None
        assert one.problem[1].endswith("predicts something else than it did: look at the form again, and ask once more")
        assert one.served is not None
        assert one.served.contract.targets[0].name == "risk"
        one.predict(ENTERED)
        assert one.prediction is not None
        assert one.swept == "income"
        assert list(one.prediction.curves[0].series) == ["hoch", "mittel", "niedrig"]
    finally:
        second.end()
    one.served = replace(one.served, contract=contract.model_copy(update={"columns": contract.columns[:2]}))
    assert one._swept_of(one.served) == "age"


def test_a_table_that_is_replaced_while_it_is_scored(running: Thread) -> None:
    one = session(running, slice_rows=1)
    one.keep("old.csv", FILE)

    def replace_it(done: int, _: int) -> None:
        if done == 1:
            one.keep("new.csv", FILE.replace(b"old", b"31"))

    one.score(replace_it)
    assert one.scored is None
    one.score()
    assert one.scored is not None
    assert one.scored.kept.tolist() == [0, 1, 2]
    assert one.upload is not None
    assert list(one.upload[0].parent.iterdir()) == [one.upload[0]]


def test_uploads_go_with_their_user_and_with_the_process(running: Thread) -> None:
    services = Services(settings(running.url))
    mine, theirs = Session(services), Session(services)
    for one in (mine, theirs):
        one.keep("rows.csv", FILE)
    paths = [one.upload[0] for one in (mine, theirs) if one.upload]
    mine.close()
    assert [path.exists() for path in paths] == [False, True]
    services.close()
    assert not Path(services.uploads.name).exists()


def test_refusals_are_at_their_field(running: Thread) -> None:
    one = session(running)
    one.predict(ENTERED)
    one.predict(ENTERED | {"age": None})
    assert one.problem == ("age", "column 'age' may not be missing")
    assert one.prediction is None
    one.predict(ENTERED | {"seen at": "gestern"})
    assert one.problem is not None
    assert one.problem[0] == "seen at"
    one.predict(ENTERED)
    assert one.problem is None


def test_extremes_spoil_the_plot_alone(running: Thread) -> None:
    one = session(running)
    one.predict(ENTERED)
    one.sweep("income")
    assert one.prediction is not None
    one.prediction.record["rooms per house"] = 3.5
    one.sweep("income")
    assert one.prediction.curves == []
    assert one.prediction.plot_trouble == "column 'rooms per house' must be an integer, row 0 holds 3.5"


def test_a_service_that_goes_and_returns(folder: Path) -> None:
    first = Thread(create_app(serving(folder)))
    one = session(first)
    before = one.served
    one.predict(ENTERED)
    first.end()
    one.predict(ENTERED)
    assert one.prediction is None
    assert one.problem is None
    assert one.trouble is not None
    assert "cannot be reached" in one.trouble
    assert one.served == before
    one.keep("a.csv", FILE)
    with pytest.raises(UserError, match="cannot be reached"):
        one.score()
    second = Thread(create_app(serving(folder)), first.port)
    try:
        assert one.look(at_once=True)
        assert one.trouble is None
        one.predict(ENTERED)
        one.score()
    finally:
        second.end()
    assert one.prediction is not None
    assert one.scored is not None
    assert one.scored.kept.tolist() == [0, 2]


def test_a_service_that_is_not_there_yet(folder: Path) -> None:
    first = Thread(create_app(serving(folder)))
    first.end()
    one = session(first)
    assert one.served is None
    assert one.form == []
    one.predict(ENTERED)
    assert one.prediction is None
    assert one.report == one.trouble


def test_a_swap_is_told(running: Thread, folder: Path, tmp_path: Path) -> None:
    put(running, folder, "1")
    one = session(running)
    one.predict(ENTERED)
    put(running, write_servable(tmp_path / "v2", wide=False, bias=1.0), "2")
    assert not one.look()  # it was looked at a moment ago
    one.predict(ENTERED)
    assert one.prediction is not None
    assert one.prediction.title == "prod, version 2"
    assert one.served is not None
    assert one.served.version == "2"
    assert one.news == "prod, version 2 answers now; it was prod, version 1"
    assert one.prediction.answer.columns["price_prediction"][0] == pytest.approx(price() + 1)
    one.predict(ENTERED)
    assert one.news is None


def test_what_is_served(running: Thread, folder: Path) -> None:
    put(running, folder, "7", **{"test/rmse": "5.25"})
    one = session(running)
    assert one.served is not None
    assert one.served.metrics == {"test/rmse": 5.25}
    assert facts.version(one.served) == "version 7"
    assert facts.purpose(one.served) == "Predicts price (k$) from 6 columns"
    origin = facts.origin(one.served)
    assert origin["Registered"] == "2023-11-14 22:13 UTC"
    assert (origin["Alias"], origin["Run"], origin["Commit"]) == ("prod", "run7", "c" * 12)
    columns = facts.columns(one.served.contract).to_pylist()
    assert columns[0] == {
        "column": "age", "kind": "number", "unit": "years", "may be missing": "no", "notes": "18 to 90 in training",
    }  # fmt: skip
    assert columns[4]["notes"] == "In training süd, nord, 5, true; any other text is taken"


def test_reports_are_asked_for_now_and_then(running: Thread, monkeypatch: pytest.MonkeyPatch) -> None:
    one = session(running, refresh_seconds=100)
    answers: list[Any] = ["none yet", {"gates": []}, "lost"]
    monkeypatch.setattr(one.services.api, "promotion", lambda: answers.pop(0))
    assert [one.report, one.report] == ["none yet"] * 2
    monkeypatch.setattr(one, "settings", settings(running.url, refresh_seconds=1e-9))
    assert [one.report, one.report] == [{"gates": []}] * 2  # what is known stays so
