"""`/invocations` and `/ping`: what `mlflow models serve` answers for the same model, and what SageMaker asks for."""

import csv
import io
from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson
from pydantic_core import from_json

from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.inference.wire import InputError

from .. import docs
from ..exchange import AS_JSON, Answer, RefusedRequestError, Request
from ..refusals import MalformedError, shown, too_many
from . import Asked, Host, Identity, Outputs, Route
from .invocations_docs import operations

FORMATS = ("dataframe_split", "dataframe_records", "inputs", "instances")
SHAPE = f"send an object with one of {', '.join(FORMATS)}"
IGNORED = "params"
"""MLflow hands these to the model; a servable has none."""
Table = dict[str, list[Any]] | list[dict[str, Any]]
"""Columns by name, or records."""
CODES = {
    400: "BAD_REQUEST", 401: "UNAUTHENTICATED", 404: "ENDPOINT_NOT_FOUND", 405: "BAD_REQUEST",
    408: "DEADLINE_EXCEEDED", 413: "REQUEST_LIMIT_EXCEEDED", 415: "BAD_REQUEST", 422: "INVALID_PARAMETER_VALUE",
    500: "INTERNAL_ERROR", 503: "TEMPORARILY_UNAVAILABLE",
}  # fmt: skip
"""MLflow's name for each status."""


def ping(host: Host, names: Any) -> Answer:
    """200 and an empty line when a model is loaded and the server is to stay."""
    del names
    host.check_ready()
    return Answer(b"\n", AS_JSON)


class Invocations:
    """The dialect.

    Args:
        max_rows: of a request.
    """

    roots = ("invocations", "ping")
    find: Callable[[str], Route | None] = staticmethod(
        {"/invocations": Route("/invocations"), "/ping": Route("/ping", ping)}.get
    )

    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows

    def error(self, status: int, detail: str, request_id: str) -> tuple[int, bytes]:
        """`{"error_code": "<MLflow's name>", "message": "<one line>"}`; MLflow knows no 422."""
        if status == 500:
            detail = f"{detail}: {request_id}"
        return 400 if status == 422 else status, orjson.dumps({"error_code": CODES[status], "message": detail})

    def interpreter(self, engine: Engine, identity: Identity) -> "InvocationsInterpreter":
        """The dialect for a model."""
        del identity  # MLflow's answer has no place for it: a header names the version
        return InvocationsInterpreter(engine, self._max_rows)


class InvocationsInterpreter:
    """Reads and answers `/invocations` for one model, as its pyfunc does: columns that it does not know are ignored.

    Args:
        engine: the model.
        max_rows: of a request.
    """

    def __init__(self, engine: Engine, max_rows: int) -> None:
        self._engine, self._max_rows = engine, max_rows
        self._inputs = [column.name for column in engine.contract.inputs]

    def read(self, request: Request) -> Asked:
        """Any of MLflow's formats, by the Content-Type; JSON where there is none."""
        table = _READERS[_media(request.headers.get(b"content-type"))](request.body)
        columns = self._from_records(table) if isinstance(table, list) else table
        columns = {name: columns[name] for name in self._inputs if name in columns}
        return Asked(columns, max(map(len, columns.values()), default=0))

    def _from_records(self, records: list[dict[str, Any]]) -> dict[str, list[Any]]:
        """The model's columns alone: each record may name others of its own, and all of those by all rows are no table.

        Raises:
            RefusedRequestError: there are too many records.
        """
        if len(records) > self._max_rows:
            raise too_many(len(records), self._max_rows)
        named = set().union(*records)
        return {name: [record.get(name) for record in records] for name in self._inputs if name in named}

    def write(self, asked: Asked, outputs: Outputs) -> Answer:
        """A record per row, probabilities as `<target>_probabilities_<class>`."""
        del asked
        flat = {name: array.tolist() for name, array in self._engine.flat(outputs).items()}
        records = [dict(zip(flat, row, strict=True)) for row in zip(*flat.values(), strict=True)]
        return Answer(orjson.dumps({"predictions": records}))

    def operations(self) -> dict[str, docs.Schema]:
        """`/invocations` with the model's columns, and `/ping`."""
        return operations(self._engine.contract)


def _media(given: bytes | None) -> str:
    """The media type of a body.

    Raises:
        RefusedRequestError: it is none that is read here.
    """
    media, _, parameters = (given or b"application/json").decode("latin-1").lower().partition(";")
    charset = parameters.replace(" ", "").replace('"', "")
    if media.strip() not in _READERS or charset not in ("", "charset=utf-8"):
        detail = "this Content-Type is not read here: send application/json or text/csv, in UTF-8"
        raise RefusedRequestError(415, detail, "media", accept="application/json, text/csv")
    return media.strip()


def _from_json(body: bytes) -> Table:
    try:
        document = from_json(body)
    except ValueError as error:
        raise MalformedError(f"the body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise MalformedError(f"the body must be an object, not {shown(document)}: {SHAPE}")
    given = [name for name in document if name != IGNORED]
    odd = next((name for name in given if name not in FORMATS), None)
    if odd is not None:
        raise MalformedError(f"unknown field {shown(odd)} in the body: {SHAPE}")
    if len(given) != 1:
        raise MalformedError(f"the body has {' and '.join(given) or 'none of the formats'}: {SHAPE}")
    name, table = given[0], document[given[0]]
    if name == "dataframe_split":
        return _from_split(table)
    if name == "dataframe_records" and not isinstance(table, list):
        raise InputError(f"dataframe_records must be a list of objects, one per row, not {shown(table)}")
    if isinstance(table, dict):  # columns, or one record
        return {key: cells if isinstance(cells, list) else [cells] for key, cells in table.items()}
    if not isinstance(table, list) or not all(isinstance(record, dict) for record in table):
        raise InputError(f"{name} must be a list of objects, one per row, or an object of columns, not {shown(table)}")
    return table


def _from_split(table: Any) -> dict[str, list[Any]]:
    """`{"columns": [name, ...], "data": [[cell, ...], ...]}`; an index may be there, and is not read."""
    if not isinstance(table, dict) or not {"columns", "data"} <= table.keys() <= {"columns", "data", "index"}:
        raise InputError(f"dataframe_split must be an object of columns and data, not {shown(table)}")
    names, rows, index = table["columns"], table["data"], table.get("index")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"columns must be a list of names, not {shown(names)}")
    if not isinstance(rows, list):
        raise InputError(f"data must be a list of rows, not {shown(rows)}")
    if index is not None and (not isinstance(index, list) or len(index) != len(rows)):
        raise InputError(f"index must be a list with an entry for each of the {len(rows)} rows, not {shown(index)}")
    return _columns(names, rows)


def _from_csv(body: bytes) -> dict[str, list[Any]]:
    """A header, then rows; every cell is text, which the wire encoding reads."""
    try:
        lines = [line for line in csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True) if line]
    except UnicodeDecodeError as error:
        raise MalformedError(f"the body is not UTF-8: byte {error.start} is odd") from None
    except csv.Error as error:
        raise MalformedError(f"the body is not CSV: {error}") from None
    if not lines:
        raise MalformedError("the body is empty: send a line with the columns' names, and a line per row")
    return _columns(lines[0], lines[1:])


def _columns(names: list[str], rows: list[Any]) -> dict[str, list[Any]]:
    if len(set(names)) < len(names):
        twice = next(name for name, times in Counter(names).items() if times > 1)
        raise InputError(f"column {shown(twice)} is there twice")
    for position, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            held = f"{len(row)} cells" if isinstance(row, list) else shown(row)
            raise InputError(f"row {position} must be a list of {len(names)} cells, one per column, not {held}")
    cells = zip(*rows, strict=True) if rows else ([] for _ in names)
    return {name: list(column) for name, column in zip(names, cells, strict=True)}


_READERS: dict[str, Callable[[bytes], Table]] = {"application/json": _from_json, "text/csv": _from_csv}
