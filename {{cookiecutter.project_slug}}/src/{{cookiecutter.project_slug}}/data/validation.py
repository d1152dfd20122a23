"""What the configuration promises of a table, checked with pandera; rows that break it are named."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..ports import UserError
from ..schemas.data import DataConfig

if TYPE_CHECKING:
    import pandera.pandas as pa

SHOWN = 5
"""Offending rows that an error names."""


def schema_of(config: DataConfig) -> "pa.DataFrameSchema":
    """The pandera schema of the encoded columns."""
    import pandera.pandas as pa

    columns = {}
    for name, column in config.columns.items():
        checks = []
        if column.min is not None:
            checks.append(pa.Check.ge(column.min))
        if column.max is not None:
            checks.append(pa.Check.le(column.max))
        if column.values is not None:
            checks.append(pa.Check.isin(column.values))
        may_miss = config.drop_missing_target if name == config.target else column.missing is not False
        columns[name] = pa.Column(checks=checks, nullable=may_miss)
    return pa.DataFrameSchema(columns)


def check(columns: Mapping[str, np.ndarray], config: DataConfig) -> None:
    """Check encoded columns `[N, 1]` against `data.columns`.

    Raises:
        UserError: values are missing, out of range or not among those allowed; column, rows and value are named.
    """
    import pandas as pd
    from pandera.errors import SchemaErrors

    values = {name: array[:, 0] for name, array in columns.items()}
    frame = pd.DataFrame({n: pd.Series(a).where(a != "", None) if a.dtype == object else a for n, a in values.items()})
    try:
        schema_of(config).validate(frame, lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases
        column, broken = str(cases["column"].iloc[0]), str(cases["check"].iloc[0])
        same = cases[(cases["column"] == column) & (cases["check"] == broken)]
        same = same.sort_values("index")
        rows, value = [str(row) for row in same["index"]], same["failure_case"].iloc[0]
        listed = ", ".join(rows[:SHOWN]) + (f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else "")
        rule = "may not be missing" if broken == "not_nullable" else f"must satisfy {broken}"
        what = "" if broken == "not_nullable" else f" (row {rows[0]} holds {getattr(value, 'item', lambda: value)()!r})"
        raise UserError(f"column {column!r} {rule}: row{'s' if len(rows) > 1 else ''} {listed}{what}") from None
