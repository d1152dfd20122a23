"""Answers: the engine's outputs as JSON has them, by row or by column. Every number is the graph's float32, exactly."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from {{ cookiecutter.project_slug }}.schemas.contract import Contract

from .bodies import Rows


def predictions(rows: Rows, outputs: Mapping[str, np.ndarray], contract: Contract, added: dict[str, list[Any]]) -> Any:
    """Keys and predictions, in the form that the request had.

    Args:
        rows: the request.
        outputs: `[N, width]` by output name.
        contract: says which outputs are probabilities, and of which classes.
        added: further fields, one value per row.

    Returns:
        A list with an object per row, or an object with a list per name. A width above 1 is a list in each row, except
        for probabilities: an object by class.
    """
    if rows.by_column:
        return rows.keys | by_column(outputs, contract) | added
    classes = _classes(contract)
    cells = rows.keys | {name: _cells(array, classes.get(name)) for name, array in outputs.items()} | added
    names = list(cells)
    return [dict(zip(names, row, strict=True)) for row in zip(*cells.values(), strict=True)]


def by_column(outputs: Mapping[str, np.ndarray], contract: Contract) -> dict[str, Any]:
    """Outputs as lists by name; probabilities as an object of lists by class."""
    classes = _classes(contract)
    return {name: _column(array, classes.get(name)) for name, array in outputs.items()}


def _classes(contract: Contract) -> dict[str, list[str]]:
    return {
        target.probabilities: [str(label) for label in target.classes] for target in contract.targets if target.classes
    }


def _column(array: np.ndarray, classes: list[str] | None) -> Any:
    if classes:
        return {label: array[:, position].tolist() for position, label in enumerate(classes)}
    return _cells(array, None)


def _cells(array: np.ndarray, classes: list[str] | None) -> list[Any]:
    values: list[Any] = array[:, 0].tolist() if array.shape[1:] == (1,) else array.tolist()
    return [dict(zip(classes, row, strict=True)) for row in array.tolist()] if classes else values
