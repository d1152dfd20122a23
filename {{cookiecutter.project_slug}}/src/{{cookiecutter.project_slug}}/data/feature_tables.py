"""Computing feature tables: aggregates over the other rows of an entity, none of them later than the row."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..inference.feature_tables import ENTITY, TIME, FeatureTable, entity_of
from ..ports import UserError
from ..schemas.data import AggregateConfig, DataConfig, FeatureTableConfig

if TYPE_CHECKING:
    import pandas as pd


def compute(
    name: str, table: FeatureTableConfig, columns: Mapping[str, np.ndarray], config: DataConfig
) -> FeatureTable:
    """Aggregate encoded columns `[N, 1]` by entity.

    With a time the values are running ones, and a row is joined to what held before its own time; without, they are
    those of the whole table.

    Raises:
        UserError: an aggregate of text, or one of the target that no time keeps from its own row.
    """
    import pandas as pd

    entity = entity_of(columns, table.entity)
    time = columns[table.time][:, 0] if table.time else None
    keep = entity != ""
    if time is not None:
        keep &= ~np.isnan(time)
    frame = pd.DataFrame({ENTITY: entity[keep]})
    if time is not None:
        frame[TIME] = time[keep]
        frame = frame.sort_values([ENTITY, TIME], kind="stable")
    result = {}
    for column, aggregate in table.columns.items():
        where = f"data.feature_tables.{name}.columns.{column}"
        if aggregate.of == config.target and time is None:
            raise UserError(f"{where}: the target of all rows would leak into each; set a time")
        raw = columns[aggregate.of][:, 0]
        if aggregate.function != "count" and raw.dtype == object:
            raise UserError(f"{where}: {aggregate.of!r} is text, of which only a count can be taken")
        numbers = np.where(raw == "", np.nan, 1.0) if raw.dtype == object else raw
        values = pd.Series(numbers[keep]).reindex(frame.index)
        by_entity = values.groupby(frame[ENTITY])
        result[column] = (
            by_entity.agg(aggregate.function) if time is None else _running(values, frame[ENTITY], aggregate)
        )
    if time is None:
        known = np.unique(frame[ENTITY].to_numpy(object))
        return FeatureTable(known, None, {c: v.loc[known].to_numpy(np.float64) for c, v in result.items()})
    frame = frame.assign(**result).drop_duplicates([ENTITY, TIME], keep="last")
    values_of = {column: frame[column].to_numpy(np.float64) for column in table.columns}
    return FeatureTable(frame[ENTITY].to_numpy(object), frame[TIME].to_numpy(np.float64), values_of)


def _running(values: "pd.Series[float]", entity: "pd.Series[str]", aggregate: AggregateConfig) -> "pd.Series[float]":
    """The aggregate of an entity's values up to each row, in the order of time; gaps are passed over."""
    by_entity = values.groupby(entity)
    seen = values.notna().astype(float).groupby(entity).cumsum()
    if aggregate.function == "count":
        return seen
    if aggregate.function == "mean":
        return values.fillna(0.0).groupby(entity).cumsum() / seen
    extreme = by_entity.cummin() if aggregate.function == "min" else by_entity.cummax()
    return extreme.groupby(entity).ffill()
