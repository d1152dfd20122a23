"""Business logic after the model: fields beside each prediction. It can change no prediction. docs/serving.md explains.

`add` is a pure function of one request; it runs after the graph, on every request, and costs nothing while FIELDS is
empty. It is tried on the golden rows before a model answers: a field that is not declared, that has another length, or
that bears the name of a prediction or key keeps the service from starting.
"""

from collections.abc import Mapping, Sequence
from typing import Any

FIELDS: dict[str, dict[str, Any]] = {}
"""The JSON schema of each field that `add` gives, by name; for the docs page too."""


def add(columns: Mapping[str, Sequence[Any]], predictions: Mapping[str, Any]) -> Mapping[str, Sequence[Any]]:
    """The values of each field, one per row.

    Args:
        columns: inputs and keys as the client sent them, one cell per row; None where a cell is missing.
        predictions: `<target>_prediction`, one per row, and `<target>_probabilities`, a list per class.
    """
    del columns, predictions
    return {}
