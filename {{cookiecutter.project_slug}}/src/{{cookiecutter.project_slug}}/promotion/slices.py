"""Which held-out rows belong to a slice, by the raw columns of the contract."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..evaluation.heldout import read_rows
from ..inference.engine import Engine
from ..ports import UserError
from ..schemas.config import checked
from ..schemas.contract import Column
from ..schemas.promotion import SliceConfig


def masks(slices: Mapping[str, Mapping[str, Any]], engine: Engine) -> dict[str, np.ndarray]:
    """The rows of each slice among the held-out ones, as a mask `[N]` by the slice's name.

    Raises:
        UserError: a slice is not one, or names a column or values that the contract does not have.
    """
    rows, columns = read_rows(engine.folder), {column.name: column for column in engine.contract.columns}
    found = {}
    for name, said in slices.items():
        where = f"slice {name!r}"
        try:
            chosen = checked(SliceConfig, dict(said))
        except UserError as error:
            raise UserError(f"{where}: {str(error).removeprefix('config: ')}") from None
        column = columns.get(chosen.column)
        if column is None or column.width != 1:
            why = "is not a column of the contract" if column is None else "has several values in a row"
            raise UserError(f"{where}: {chosen.column!r} {why}: see promotion's gates.quality.slices")
        found[name] = _mask(chosen, column, rows[column.name], where)
    return found


def _mask(chosen: SliceConfig, column: Column, cells: np.ndarray, where: str) -> np.ndarray:
    texts = column.kind == "category"
    if chosen.values is None:
        if texts:
            raise UserError(f"{where}: {column.name!r} is a category: it has values, no bounds")
        least = -np.inf if chosen.at_least is None else chosen.at_least
        end = np.inf if chosen.below is None else chosen.below
        within: np.ndarray = (cells >= least) & ((cells < end) | (chosen.below is None))
        return within
    if texts:
        levels = {_text(value) for value in chosen.values}
        return np.array([_text(cell) in levels for cell in cells.tolist()], bool)
    wrong = [value for value in chosen.values if isinstance(value, str)]
    if wrong:
        raise UserError(f"{where}: {column.name!r} is {column.kind}, which {wrong[0]!r} is not")
    numbers = [np.nan if value is None else float(value) for value in chosen.values]
    chosen_rows: np.ndarray = np.isin(cells, numbers) | (np.isnan(cells) & np.isnan(numbers).any())
    return chosen_rows


def _text(value: str | bool | int | float | None) -> str:
    """A category's level as the wire encoding writes it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
