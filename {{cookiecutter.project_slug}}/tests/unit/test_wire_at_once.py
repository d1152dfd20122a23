"""Lists as JSON gives them are encoded at once; the answer and the complaint are those of cell by cell."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from {{ cookiecutter.project_slug }}.inference.wire import InputError, encode
from {{ cookiecutter.project_slug }}.inference.wire.plain import at_once
from {{ cookiecutter.project_slug }}.schemas.contract import MISSING_TOKENS

KINDS = ("number", "integer", "boolean", "time", "category")
CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(min_value=10**300, max_value=10**320), st.floats(),
    st.text(st.characters(exclude_categories=()), max_size=3), st.sampled_from(["NA", "5.0", "True", "nan", "1e3"]),
)  # fmt: skip
PLAIN = st.sampled_from([st.floats(), st.integers(-5, 5), st.booleans(), st.text(max_size=3)])


def outcome(columns: dict[str, Any], contract: dict[str, Any]) -> Any:
    try:
        arrays = encode(columns, contract)
    except InputError as error:
        return str(error)
    return {name: (array.dtype, array.shape, list(map(repr, array.ravel().tolist()))) for name, array in arrays.items()}


@settings(max_examples=500, deadline=None)
@given(
    kinds=st.lists(st.tuples(st.sampled_from(KINDS), st.booleans()), min_size=1, max_size=3),
    rows=st.integers(0, 3),
    data=st.data(),
)
def test_at_once_is_cell_by_cell(kinds: list[tuple[str, bool]], rows: int, data: st.DataObject) -> None:
    columns = {}
    for position in range(len(kinds)):
        cells = data.draw(st.one_of(st.just(CELLS), PLAIN))
        columns[f"c{position}"] = data.draw(st.lists(cells, min_size=rows, max_size=rows))
    contract = {
        "columns": [{"name": f"c{i}", "kind": kind, "missing": missing} for i, (kind, missing) in enumerate(kinds)],
        "missing_tokens": list(MISSING_TOKENS),
    }
    one_by_one = {name: tuple(values) for name, values in columns.items()}  # no list is read at once
    assert at_once(one_by_one, contract["columns"], frozenset(MISSING_TOKENS)) == {}
    assert outcome(columns, contract) == outcome(one_by_one, contract)


@pytest.mark.parametrize(
    ("kind", "values", "taken"),
    [
        ("number", [1, 2.5], True), ("number", [1, None], False), ("number", [True], False), ("number", ["1"], False),
        ("number", [float("inf")], False), ("number", [10**400], False), ("integer", [1], True),
        ("integer", [1.0], False), ("boolean", [True, False], True), ("boolean", [1], False), ("time", [5], True),
        ("category", ["a", "5.0"], True), ("category", ["a", ""], False), ("category", ["NA"], False),
        ("category", ["\ud800"], False), ("category", ["a", 5], False),
    ],
)  # fmt: skip
def test_what_is_read_at_once(kind: str, values: list[Any], taken: bool) -> None:
    read = at_once({"c": values}, [{"name": "c", "kind": kind}], frozenset(MISSING_TOKENS))
    assert list(read) == (["c"] if taken else [])


def test_lengths_that_differ_are_named() -> None:
    contract = {"columns": [{"name": name, "kind": "number"} for name in "ab"], "missing_tokens": []}
    with pytest.raises(InputError, match="column 'b' has 1 rows, the columns before it 2"):
        encode({"a": [1, 2], "b": [1]}, contract)
    assert np.array_equal(encode({"a": [1, 2], "b": [3, 4]}, contract)["b"], [[3.0], [4.0]])
