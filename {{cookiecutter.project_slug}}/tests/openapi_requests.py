"""The OpenAPI document against the service: requests made from it, right and wrong, by schemathesis with all its checks.

What a JSON schema cannot say is said in `consistent`: that columns have one length, and that a shape fits its data.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from deployment.api.app import create_app
from tests.servables import serving, write_servable

pytestmark = pytest.mark.slow
EXAMPLES = 200
KEY = {"X-API-Key": "secret"}
quick = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


FOLDER = TemporaryDirectory()
SERVABLE = write_servable(Path(FOLDER.name) / "price", limit=1e12)
"""Every finite number has a finite prediction, so that what the schema allows is answered. Made at import: schemathesis
needs the operations when tests are collected."""


def described(headers: dict[str, str], **changed: Any) -> Any:
    app = create_app(serving(SERVABLE, **changed))
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, headers=headers)
    schema.hook("map_case")(consistent)
    return schema


def consistent(context: Any, case: Any) -> Any:
    """Mend what the schema allows and the service cannot: other requests stay as they are."""
    del context
    mode = case.meta.generation.mode if case.meta else None
    if mode is not None and mode.is_positive and isinstance(case.body, dict):
        mend(case.body)
    return case


def mend(body: dict[str, Any]) -> None:
    """Cut columns to the shortest, and tensors to the rows that all of them have."""
    for name in ("columns", "inputs"):
        columns = body.get(name)
        lists = {key: cells for key, cells in columns.items() if type(cells) is list} if type(columns) is dict else {}
        for key, cells in lists.items():
            columns[key] = cells[: min(map(len, lists.values()))]
    tensors = body.get("inputs")
    if isinstance(tensors, list) and tensors and "shape" in tensors[0]:
        rows = min(len(tensor["data"]) // tensor["shape"][1] for tensor in tensors)
        for tensor in tensors:
            tensor["shape"][0] = rows
            tensor["data"] = tensor["data"][: rows * tensor["shape"][1]]
    split = body.get("dataframe_split")
    if isinstance(split, dict) and split.get("index") is not None:
        split["index"] = list(range(len(split["data"])))


opened = described({})
closed = described(KEY, api_keys="secret")
# Without a parameter of its own, pytest gives the tests of all operations one id: a worker would then run the first alone.
nobody = pytest.mark.parametrize("headers", [{}], ids=["nobody"])
somebody = pytest.mark.parametrize("headers", [KEY], ids=["somebody"])


@opened.parametrize()
@nobody
@quick
def test_without_keys(case: Any, headers: dict[str, str]) -> None:
    case.call_and_validate(headers=headers)


@closed.parametrize()
@somebody
@quick
def test_with_keys(case: Any, headers: dict[str, str]) -> None:
    case.call_and_validate(headers=headers)
