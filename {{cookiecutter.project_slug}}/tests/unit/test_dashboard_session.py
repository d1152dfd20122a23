"""One user's session: predictions, a service that goes and returns, a swap, two services side by side."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.ports import UserError, Version
from {{ cookiecutter.project_slug }}.schemas.config import validate
from {{ cookiecutter.project_slug }}.schemas.contract import Column, Contract, Target
from {{ cookiecutter.project_slug }}.schemas.dashboard import DashboardConfig

from deployment.api.app import create_app
from deployment.dashboards import comparison, facts, words
from deployment.dashboards.answers import Answer
from deployment.dashboards.session import Services, Session
from tests.dashboards import Thread, service, settings
from tests.project import composed, make_project
from tests.servables import CITY, ROWS, expected, serving, write_servable

ENTERED = {
    "age": 30, "rooms per house": 3, "is.new": "true", "seen at": "2020-09-13T12:26:40Z", CITY: "süd", "income": 4.25,
    "id": "a-1",
}  # fmt: skip
FILE = b'age,rooms per house,is.new,seen at,"gr\xc3\xb6\xc3\x9fe ""lage""",income,id\n' + b"\n".join(
    [b"30,3,true,2020-09-13T12:26:40Z,s\xc3\xbcd,4.25,a-1", b"old,,,,,,a-2", b"40,,,,nord,,a-3"]
)


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


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Thread]:
    with service(write_servable(tmp_path / "b", wide=False, bias=3.0)) as started:
        yield started


def session(running: Thread, **changed: Any) -> Session:
    made = Session(Services(settings(running.url, **changed)))
    made.look()
    return made


def price(**changed: Any) -> float:
    row = {name: cell for name, cell in ROWS[0].items() if name != "history"} | changed
    return float(expected([row], wide=False)["price_prediction"][0, 0])


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


def test_labels_that_are_numbers() -> None:
    target = Target(name="code", kind="classification", classes=(90210, 12345), deviation=0.5)
    contract = Contract(name="m", columns=(Column(name="a", kind="number"),), targets=(target,))
    answer = Answer({"code_prediction": [90210], "code_probabilities": {"90210": [0.75], "12345": [0.25]}}, {})
    assert answer.fits(contract)
    (headline,) = answer.headlines(contract)
    assert (headline.value, headline.probabilities) == ("90210", {"90210": 0.75, "12345": 0.25})


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


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (67.76875, "67.769"), (1234567.891, "1,234,567.89"), (152000.0, "152,000"), (1e-7, "1e-07"),
     (1e20, "1e+20"), (-23456.789, "-23,456.79"), (123456789.5, "123,456,790")],
)  # fmt: skip
def test_numbers(value: float, text: str) -> None:
    assert words.number(value) == text


def test_counts() -> None:
    assert [words.rows(count) for count in (0, 1, 1234)] == ["0 rows", "1 row", "1,234 rows"]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "dashboard.api=localhost:8000",
            "dashboard.api: 'localhost:8000' is no address of a service: write it as http:",
        ),
        (
            "dashboard.api=http://me:secret@host",
            "dashboard.api: the address holds a user or a password: keys come from",
        ),
        ("dashboard.staging_api=ftp://host", "dashboard.staging_api: 'ftp://host' is no address of a service"),
        ("dashboard.sweep_points=1", "dashboard.sweep_points: Input should be greater than or equal to 2, not 1"),
        ("dashboard.port=70000", "dashboard.port: Input should be less than or equal to 65535, not 70000"),
        ("+dashboard.prot=1", "dashboard.prot is not a key that is known here"),
        ("logging=json", "dashboard.api_key: the key holds characters that no HTTP header can bear"),
    ],
)
def test_settings_that_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, override: str, said: str) -> None:
    monkeypatch.chdir(make_project(tmp_path))
    if override == "logging=json":
        monkeypatch.setenv("DASHBOARD_API_KEY", "schlüssel")
    with pytest.raises(UserError) as caught:
        validate(DashboardConfig, composed("dashboard", override))
    assert str(caught.value).startswith(f"config: {said}")
    assert len(str(caught.value).splitlines()) == 1
    assert "secret" not in str(caught.value)
    assert "schl" not in str(caught.value)


def test_keys_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_project(tmp_path))
    monkeypatch.setenv("DASHBOARD_API_KEY", "one")
    found = validate(DashboardConfig, composed("dashboard")).dashboard
    assert (found.api_key.get_secret_value(), found.staging_api_key.get_secret_value()) == ("one", "one")
    monkeypatch.setenv("DASHBOARD_STAGING_API_KEY", "two")
    found = validate(DashboardConfig, composed("dashboard")).dashboard
    assert (found.api_key.get_secret_value(), found.staging_api_key.get_secret_value()) == ("one", "two")
    assert "two" not in repr(found)
