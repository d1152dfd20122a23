"""What the HTTP service refuses: a 4xx and one line that names column, row and value; never a 5xx."""

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from deployment.api.app import create_app
from tests.servables import CITY, COLUMNS, serving, write_servable

SHAPE = 'send {"records": [{"<column>": value, ...}, ...]} or {"columns": {"<column>": [value, ...], ...}}'
TIME = "an ISO 8601 time or seconds since 1970 (UTC)"


@pytest.fixture(scope="module")
def price(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    folder = write_servable(tmp_path_factory.mktemp("price") / "servable")
    return TestClient(create_app(serving(folder)), raise_server_exceptions=False)


def post(client: TestClient, raw: str | bytes) -> tuple[int, Any]:
    response = client.post("/predict", content=raw)
    return response.status_code, response.json()


CELLS: list[tuple[str, str, str]] = [
    ("age", '"1.5"', "column 'age' must be a finite number, row 1 holds '1.5'"),
    ("age", "true", "column 'age' must be a finite number, row 1 holds true"),
    ("age", "[1]", "column 'age' must be a finite number, row 1 holds [1]"),
    ("age", "Infinity", "column 'age' must be a finite number, row 1 holds inf"),
    ("age", "1e400", "column 'age' must be a finite number, row 1 holds inf"),
    ("age", "null", "column 'age' may not be missing, row 1 holds null"),
    ("age", "NaN", "column 'age' may not be missing, row 1"),
    ("rooms per house", '"3"', "column 'rooms per house' must be an integer, row 1 holds '3'"),
    ("rooms per house", "3.5", "column 'rooms per house' must be an integer, row 1 holds 3.5"),
    ("rooms per house", "false", "column 'rooms per house' must be an integer, row 1 holds false"),
    ("rooms per house", "-Infinity", "column 'rooms per house' must be an integer, row 1 holds -inf"),
    ("is.new", "1", "column 'is.new' must be true or false, row 1 holds 1"),
    ("is.new", '"a\\nb"', "column 'is.new' must be true or false, row 1 holds 'a\\nb'"),
    ("seen at", '"yesterday"', f"column 'seen at' must be {TIME}, row 1 holds 'yesterday'"),
    ("seen at", '"20200101"', f"column 'seen at' must be {TIME}, row 1 holds '20200101'"),
    ("seen at", '"2020-02-30"', f"column 'seen at' must be {TIME}, row 1 holds '2020-02-30'"),
    ("seen at", "true", f"column 'seen at' must be {TIME}, row 1 holds true"),
    (CITY, "1.5", f"column {CITY!r} must be text, an integer, true or false, row 1 holds 1.5"),
    (CITY, '{"a": 1}', f"column {CITY!r} must be text, an integer, true or false, row 1 holds " + "{'a': 1}"),
    (CITY, "Infinity", f"column {CITY!r} must be text, an integer, true or false, row 1 holds inf"),
    ("history", "1", "column 'history' must be a list of 3 values, each a finite number, row 1 holds 1"),
    ("history", "[1, 2]", "column 'history' must be a list of 3 values, each a finite number, row 1 holds [1, 2]"),
    ("history", '[1, "2", 3]',
     "column 'history' must be a list of 3 values, each a finite number, row 1 holds '2' at position 1"),
    ("history", "[1, 2, Infinity]", "column 'history' must be a finite number, row 1 holds inf"),
    ("id", "1.5", "column 'id' must be text or an integer of 64 bits, row 1 holds 1.5"),
    ("id", "9223372036854775808", "column 'id' must be text or an integer of 64 bits, row 1 holds 9223372036854775808"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "cell", "detail"), CELLS)
def test_cells_that_do_not_fit(price: TestClient, name: str, cell: str, detail: str) -> None:
    field = json.dumps(name)
    record = f'"age": 1, {field}: {cell}' if name != "age" else f"{field}: {cell}"
    columns = f'"age": [1, 1], {field}: [null, {cell}]' if name != "age" else f"{field}: [1, {cell}]"
    assert post(price, '{"records": [{"age": 1}, {' + record + "}]}") == (422, {"detail": detail})
    assert post(price, '{"columns": {' + columns + "}}") == (422, {"detail": detail})


BODIES: list[tuple[str, str]] = [
    ("null", f"the body must be an object, not null: {SHAPE}"),
    ("[]", f"the body must be an object, not []: {SHAPE}"),
    ("{}", f"the body has neither records nor columns: {SHAPE}"),
    ('{"records": [], "columns": {"age": []}}', f"the body has both records and columns: {SHAPE}"),
    ('{"instances": []}', f"unknown field 'instances' in the body: {SHAPE}"),
    ('{"records": {}}', "records must be a list of objects, one per row, not {}"),
    ('{"records": null}', "records must be a list of objects, one per row, not null"),
    ('{"records": [5]}', "row 0 must be an object with a value per column, not 5"),
    ('{"records": [{}]}', "column 'age' may not be missing, row 0 lacks it"),
    ('{"records": [{"age": 1}, {"aeg": 1}]}', "unknown column 'aeg' in row 1: GET /model lists the columns"),
    ('{"columns": []}', "columns must be an object of lists, one per column, not []"),
    ('{"columns": {}}', "column 'age' may not be missing, the body lacks it"),
    ('{"columns": {"age": 5}}', "column 'age' must be a list, one value per row, not 5"),
    ('{"columns": {"age": null}}', "column 'age' must be a list, one value per row, not null"),
    ('{"columns": {"age": [1], "aeg": [1]}}', "unknown column 'aeg' in the body: GET /model lists the columns"),
    ('{"columns": {"age": [1, 2], "income": [1]}}', "column 'income' has 1 rows, column 'age' has 2"),
    ('{"columns": {"age": [1, 2], "id": ["a", "b", "c"]}}', "column 'id' has 3 rows, column 'age' has 2"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "detail"), BODIES)
def test_bodies_that_do_not_fit(price: TestClient, body: str, detail: str) -> None:
    assert post(price, body) == (422, {"detail": detail})


@pytest.mark.parametrize(
    "body",
    [b"", b'{"records": [{"age": 1}', b'{"records": [{"age": 1, "id": "\xff"}]}', b'{"records": [{"age": 01}]}',
     b'{"records": [{"age": 1, "id": "\\udc00x"}]}', b'{"records": [{"age": 1, "id": "\\ud800"}]}', b"[" * 100_000],
)  # fmt: skip
def test_bodies_that_are_not_json(price: TestClient, body: bytes) -> None:
    status, answer = post(price, body)
    assert status == 400
    assert re.fullmatch(r"the body is not JSON: .+ at line 1 column \d+", answer["detail"])


def test_a_prediction_that_json_cannot_say(price: TestClient) -> None:
    detail = "row 1 has no finite price_prediction: look for an input far from what training saw"
    assert post(price, '{"columns": {"age": [1, 1e39, 1e300]}}') == (422, {"detail": detail})
    assert post(price, '{"records": [{"age": 1}, {"age": -1e39}]}') == (422, {"detail": detail})


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from([column.name for column in COLUMNS]), cell=ANY_JSON, by_column=st.booleans())
def test_any_json_as_a_cell(price: TestClient, name: str, cell: object, by_column: bool) -> None:
    row = {"age": 1.0} | {name: cell}
    body = {"columns": {key: [value] for key, value in row.items()}} if by_column else {"records": [row]}
    status, answer = post(price, json.dumps(body))
    if status == 200:
        predictions = answer["predictions"]
        values = predictions["price_prediction"] if by_column else [row["price_prediction"] for row in predictions]
        assert [type(value) for value in values] == [float]
    else:
        assert status in (400, 422)
        assert len(answer["detail"].splitlines()) == 1
