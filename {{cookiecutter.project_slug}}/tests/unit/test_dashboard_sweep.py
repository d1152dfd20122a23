"""What-if plots: which values are asked for, and the service's answers to them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from {{ cookiecutter.project_slug }}.schemas.contract import Column

from deployment.dashboards import sweep
from deployment.dashboards.client import Api, RefusedError
from tests.dashboards import service
from tests.servables import CITY, CLASSES, ROWS, expected, write_servable


def column(kind: Any, **changed: Any) -> Column:
    return Column(name="x", kind=kind, **changed)


@pytest.mark.parametrize(
    ("asked", "cell", "values"),
    [
        (column("number", range=(0.0, 8.0)), 4.0, [0.0, 2.0, 4.0, 6.0, 8.0]),
        (column("number", range=(0.0, 8.0)), -8.0, [-8.0, -4.0, 0.0, 4.0, 8.0]),
        (column("number", range=(2.0, 2.0)), None, [1.0, 1.5, 2.0, 2.5, 3.0]),
        (column("number", typical=10.0), None, [5.0, 7.5, 10.0, 12.5, 15.0]),
        (column("number"), None, [-1.0, -0.5, 0.0, 0.5, 1.0]),
        (column("number"), "text", [-1.0, -0.5, 0.0, 0.5, 1.0]),
        (column("integer", range=(1.0, 3.0)), 2, [1, 2, 3]),
        (column("integer", range=(0.0, 10.0)), 20, [0, 5, 10, 15, 20]),
        (column("integer"), 7, [3, 5, 7, 9, 11]),
        (column("time", range=(0.0, 4.0)), "1970-01-01", [0.0, 1.0, 2.0, 3.0, 4.0]),
        (column("boolean"), True, [False, True, None]),
        (column("boolean", missing=False), True, [False, True]),
        (column("category", categories=("a", "b")), "c", ["a", "b", "c", None]),
        (column("category", categories=tuple("abcdefgh"), missing=False), "b", list("abcde")),
        (column("category"), None, [None]),
    ],
)
def test_values(asked: Column, cell: Any, values: list[Any]) -> None:
    got = sweep.values(asked, cell, 5)
    assert got == values
    assert [type(value) for value in got] == [type(value) for value in values]


@pytest.fixture(scope="module", params=["regression", "classification"])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = write_servable(tmp_path_factory.mktemp("sweep") / request.param, request.param)
    with service(folder) as running:
        yield Api(running.url, SecretStr(""), 5)


def curve(api: Api, name: str, record: dict[str, Any], points: int = 5) -> sweep.Curve:
    contract = api.served().contract
    (asked,) = [column for column in sweep.sweepable(contract) if column.name == name]
    (found,) = sweep.curves(api, contract, asked, record, points)
    return found


@pytest.mark.parametrize("name", ["age", "rooms per house", "is.new", "seen at", CITY])
def test_curves_are_the_models_answers(api: Api, name: str) -> None:
    record = ROWS[0]
    found = curve(api, name, record)
    contract = api.served().contract
    asked = sweep.values(found.column, record[name], 5)
    want = expected([record | {name: value} for value in asked], contract.target.kind)
    if contract.target.classes:
        assert list(found.series) == list(CLASSES)
        got = np.array([found.series[label] for label in CLASSES]).T
        np.testing.assert_allclose(got, want["risk_probabilities"], rtol=1e-5, atol=1e-7)
        assert found.y_title == "probability of risk"
    else:
        np.testing.assert_allclose(found.series["price"], want["price_prediction"][:, 0], rtol=1e-6)
        assert found.y_title == "price (k$)"


def test_axis_and_words(api: Api) -> None:
    if api.served().contract.target.classes:
        text = curve(api, "age", ROWS[0]).summary
        assert text.startswith("the probability of hoch lies between ")
        return
    age = curve(api, "age", ROWS[0])
    assert (age.kind, age.x_title, age.here) == ("line", "age (years)", 30)
    low, high = expected([ROWS[0] | {"age": 18.0}, ROWS[0] | {"age": 90.0}])["price_prediction"][:, 0]
    assert age.summary == f"price lies between {low:.5g} k$ (at 18) and {high:.5g} k$ (at 90)."
    city = curve(api, CITY, ROWS[0] | {CITY: "☂"})
    assert (city.kind, city.x, city.here) == ("bars", ["süd", "nord", "5", "true", "☂", "(missing)"], "☂")
    assert curve(api, CITY, ROWS[0] | {CITY: None}).here == "(missing)"
    new = curve(api, "is.new", ROWS[0])
    assert (new.x, new.here) == (["false", "true", "(missing)"], "true")
    seen = curve(api, "seen at", ROWS[0])
    assert (seen.kind, seen.x[0], seen.here) == ("times", "2017-07-14T02:40:00Z", "2020-09-13T12:26:40Z")
    assert curve(api, "income", ROWS[0] | {"income": None}).here is None


def test_a_flat_curve(api: Api) -> None:
    if not api.served().contract.target.classes:
        found = sweep.Curve(column("number"), [1, 2], {"y": [3.0, 3.0]}, 1, "y", "m")
        assert found.summary == "y stays 3 m whatever x is."


def test_series_are_not_swept(api: Api) -> None:
    assert "history" not in [column.name for column in sweep.sweepable(api.served().contract)]


def test_other_cells_are_refused(api: Api) -> None:
    with pytest.raises(RefusedError, match="column 'rooms per house' must be an integer, row 0 holds"):
        curve(api, "age", ROWS[0] | {"rooms per house": 3.5})
