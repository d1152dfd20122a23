"""Two services side by side: a row, a table, metrics, and what cannot be compared."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.ports import UserError

from deployment.dashboards import comparison, words
from tests.dashboard_sessions import ENTERED, FILE, price, session
from tests.dashboards import Thread, service
from tests.servables import ROWS, expected, write_servable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_servable(tmp_path / "a", wide=False)


@pytest.fixture
def running(folder: Path) -> Iterator[Thread]:
    with service(folder) as started:
        yield started


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Thread]:
    with service(write_servable(tmp_path / "b", wide=False, bias=3.0)) as started:
        yield started


def test_two_services(running: Thread, other: Thread) -> None:
    one = session(running, staging_api=other.url)
    with pytest.raises(UserError, match="there is no row yet: fill in the form and predict"):
        one.compare_row()
    with pytest.raises(UserError, match="there is no table yet: upload one"):
        one.compare_table()
    one.predict(ENTERED)
    row = one.compare_row()
    assert row.titles == (running.url, other.url)
    want = comparison.Line("price", f"{price():.5g} k$", f"{price() + 3:.5g} k$", "+3 k$")
    assert row.lines == [want]
    one.keep("a.csv", FILE)
    table = one.compare_table().tables
    assert table.lines == [
        ("rows that both answered", "2"),
        ("price: mean difference", "+3 k$"),
        ("price: mean absolute difference", "3 k$"),
        ("price: largest absolute difference", "3 k$"),
    ]
    assert table.rows.column_names == [
        "row", "id", "price_prediction_first", "price_prediction_second", "price_difference",
    ]  # fmt: skip
    assert table.rows["id"].to_pylist() == ["a-1", "a-3"]
    assert table.rows["price_prediction_first"][0].as_py() == pytest.approx(price())
    assert table.rows["price_difference"].to_pylist() == pytest.approx([3.0, 3.0])


def test_what_a_page_shows_at_once(running: Thread, other: Thread, monkeypatch: pytest.MonkeyPatch) -> None:
    one = session(running, staging_api=other.url)
    assert (one.compared().prediction, one.compared().row) == (None, words.NO_ROW)
    one.predict(ENTERED)
    assert one.services.staging is not None

    def fails(*_: object) -> None:
        raise UserError("it has no place for it")

    with monkeypatch.context() as patch:
        patch.setattr(one.services.staging, "predict", fails)
        failed = one.compared()
    assert (failed.second.identity, failed.prediction) == (one.second().identity, one.prediction)
    assert failed.row == "it has no place for it"
    assert one.compared().row == one.compare_row()


def test_what_is_known_is_not_asked_at_every_look(
    running: Thread, other: Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = session(running, staging_api=other.url, refresh_seconds=100)
    asked: list[str] = []
    assert one.services.staging is not None
    for api in (one.services.api, one.services.staging):
        send = api._send
        monkeypatch.setattr(api, "_send", lambda *what, send=send, url=api.url: (asked.append(url), send(*what))[1])
    one.predict(ENTERED)
    row = one.compare_row()
    before = len(asked)
    assert {running.url, other.url} <= set(asked)
    assert one.compare_row() is row
    assert len(asked) == before
    one.predict(ENTERED | {"age": 40})
    assert one.compare_row().lines[0].first == f"{price(age=40):.5g} k$"
    one._second = None  # as after refresh_seconds
    one.second()
    assert asked[-1] == other.url


def test_two_classifiers(tmp_path: Path) -> None:
    folders = [write_servable(tmp_path / f"{n}", "classification", wide=False, bias=float(n)) for n in (0, -60)]
    with service(folders[0]) as first, service(folders[1]) as second:
        one = session(first, staging_api=second.url)
        one.predict(ENTERED)
        lines = one.compare_row().lines
        one.keep("a.csv", FILE)
        table = one.compare_table().tables
    record = {name: cell for name, cell in ROWS[0].items() if name != "history"}
    shares = [expected([record], "classification", bias, wide=False)["risk_probabilities"][0] for bias in (0.0, -60.0)]
    assert lines[0] == comparison.Line("risk", "hoch", "niedrig", "another class")
    assert (lines[1].first, lines[1].second) == (words.percent(shares[0][0]), words.percent(shares[1][0]))
    assert lines[1].difference.startswith("\N{MINUS SIGN}")
    assert ("risk: rows with another class", "2 (100.0%)") in table.lines
    assert table.rows["risk_differs"].to_pylist() == [True, True]
    assert table.rows["row"].to_pylist() in ([0, 2], [2, 0])


def test_services_that_cannot_be_compared(running: Thread, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no second service is set: start the dashboard with dashboard\.staging_api="):
        session(running).second()
    different = "house and house predict different things: they cannot be compared"
    classifier = write_servable(tmp_path / "c", "classification", wide=False)
    with service(classifier) as second, pytest.raises(UserError, match=different):
        session(running, staging_api=second.url).second()
    with service(write_servable(tmp_path / "w")) as wider:
        one = session(wider, staging_api=running.url)
        one.predict(ENTERED | {"history": "1, 2, 3"})
        assert one.compare_row().lines[0].second == f"{price():.5g} k$"  # it gets the columns that it knows
        assert one.served is not None
        said = comparison.of_contracts(one.served, one.second())
        assert said is not None
        assert said.startswith("clients of the first could not call the second unchanged: ")
        assert comparison.of_contracts(one.served, one.served) is None


def test_metrics_side_by_side() -> None:
    lines = comparison.of_metrics({"test/rmse": 5.0, "test/r2": 0.5}, {"test/rmse": 4.5, "test/mae": 3.0})
    assert lines == [
        comparison.Line("mae", "\N{EN DASH}", "3", ""),
        comparison.Line("r2", "0.5", "\N{EN DASH}", ""),
        comparison.Line("rmse", "5", "4.5", "\N{MINUS SIGN}0.5"),
    ]
