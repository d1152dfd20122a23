"""Counts values that training never saw: they are scored, and worth a warning."""

from collections.abc import Mapping

import numpy as np

from ..schemas.contract import CATEGORIES_SHOWN, Column, Contract


class Unusual:
    """Which values of a contract's columns lie outside what training saw.

    Args:
        contract: ranges and levels. A list of levels that may have been cut says nothing of those that it lacks.
    """

    def __init__(self, contract: Contract) -> None:
        self._ranges = {c.name: c.range for c in contract.inputs if c.range is not None}
        self._levels = {
            c.name: frozenset((*c.categories, ""))
            for c in contract.inputs
            if c.categories is not None and len(c.categories) < CATEGORIES_SHOWN
        }

    def count(self, feeds: Mapping[str, np.ndarray]) -> dict[str, int]:
        """The number of such values by column, of those that have any; `feeds` as `wire.encode` returns them."""
        counts = {}
        for name, (low, high) in self._ranges.items():
            counts[name] = int(np.count_nonzero((feeds[name] < low) | (feeds[name] > high)))
        for name, levels in self._levels.items():
            values = feeds[name].reshape(-1).tolist()
            if not levels.issuperset(values):
                counts[name] = sum(value not in levels for value in values)
        return {name: count for name, count in counts.items() if count}


def describe(column: Column, count: int) -> str:
    """The warning of one column, in one line."""
    if column.range is None:
        found = "1 value is a level" if count == 1 else f"{count:,} values are levels"
        return f"column {column.name!r}: {found} that training never saw"
    low, high = column.range
    found = "1 value lies" if count == 1 else f"{count:,} values lie"
    return f"column {column.name!r}: {found} outside {low:g} to {high:g}, the range of training"
