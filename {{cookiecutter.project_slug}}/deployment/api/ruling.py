"""Holds `rules.py` to its word: it adds what it declares, one value per row, and touches nothing else."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from {{ cookiecutter.project_slug }}.inference.engine import GOLDEN_FILE, Engine
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.contract import Contract

from . import rules
from .answers import by_column
from .bodies import Rows

FILE = "deployment/api/rules.py"


def additions(rows: Rows, outputs: Mapping[str, np.ndarray], contract: Contract) -> dict[str, list[Any]]:
    """The fields that the rules add to a request's predictions, one value per row.

    Raises:
        ValueError: they give other fields than they declare, or another number of values.
    """
    if not rules.FIELDS:
        return {}
    keys = {key.name: list(rows.keys.get(key.name) or [None] * rows.count) for key in contract.keys}
    added = rules.add({**rows.columns, **keys}, by_column(outputs, contract))
    if set(added) != set(rules.FIELDS):
        raise ValueError(f"add gives the fields {sorted(added)}, FIELDS declares {sorted(rules.FIELDS)}")
    values = {name: list(added[name]) for name in rules.FIELDS}
    for name, column in values.items():
        if len(column) != rows.count:
            raise ValueError(f"the field {name!r} has {len(column)} values for {rows.count} rows")
    return values


def check(engine: Engine) -> None:
    """Try the rules on the golden rows, on one of them and on none.

    Raises:
        UserError: a field bears the name of a prediction or a key, or the rules fail.
    """
    contract = engine.contract
    taken = {name for target in contract.targets for name in (target.prediction, target.probabilities)}
    clash = sorted(rules.FIELDS.keys() & (taken | {key.name for key in contract.keys}))
    if clash:
        raise UserError(f"{FILE}: the field {clash[0]!r} is there already: rules add fields, and change none")
    if not rules.FIELDS:
        return
    golden = json.loads((engine.folder / GOLDEN_FILE).read_text(encoding="utf-8"))["inputs"]
    total = len(next(iter(golden.values())))
    for count in (total, 1, 0):
        columns = {name: values[:count] for name, values in golden.items()}
        try:
            added = additions(Rows(columns, count, {}, by_column=True), engine.run(columns), contract)
            orjson.dumps(added)
        except Exception as error:  # the user's own code
            text = (str(error).splitlines() or [""])[0]
            raise UserError(f"{FILE}: {type(error).__name__} on {count} golden rows: {text}") from error
