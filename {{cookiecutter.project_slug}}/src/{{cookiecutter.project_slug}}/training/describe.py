"""What the contract says of columns and target, read off the training rows."""

import numpy as np

from ..data.table import Table, features_of, keys_of, sources_of
from ..ports import UserError
from ..schemas.contract import CATEGORIES_SHOWN, Column, Target
from ..schemas.data import DataConfig


def describe_columns(table: Table, train: np.ndarray, config: DataConfig) -> tuple[Column, ...]:
    """The contract's columns: raw features, those of feature tables, keys.

    Args:
        table: all rows; whether a value may be missing is read off them, unless the configuration says it.
        train: mask of the training rows `[N]`; ranges and levels are read off them.
        config: kinds, roles and units.
    """
    columns = []
    for name in features_of(config):
        said = config.columns[name]
        values = table.columns[name][:, 0]
        gaps = values == "" if said.kind == "category" else np.isnan(values)
        missing = said.missing if said.missing is not None else config.missing == "allowed" or bool(gaps.any())
        plain = Column(name=name, kind=said.kind, unit=said.unit, missing=missing)
        columns.append(plain.model_copy(update=_seen(values[train & ~gaps], said.kind)))
    for name, source in sources_of(config).items():
        values = table.columns[name][:, 0]
        unit = config.feature_tables[source.table].columns[name].unit
        plain = Column(name=name, kind="number", unit=unit, source=source)
        columns.append(plain.model_copy(update=_seen(values[train & ~np.isnan(values)], "number")))
    columns += [Column(name=name, role="key", kind="category") for name in keys_of(config)]
    return tuple(columns)


def _seen(values: np.ndarray, kind: str) -> dict[str, object]:
    if not len(values):
        return {}
    if kind == "category":
        levels, counts = np.unique(values, return_counts=True)
        shown = tuple(levels[np.argsort(-counts, kind="stable")][:CATEGORIES_SHOWN].tolist())
        return {"categories": shown, "typical": shown[0]}
    median = float(np.median(values)) if kind == "number" else float(np.quantile(values, 0.5, method="lower"))
    return {"range": (float(values.min()), float(values.max())), "typical": median}


def describe_target(table: Table, train: np.ndarray, config: DataConfig) -> Target:
    """The contract's target.

    Raises:
        UserError: the training rows hold fewer than two classes, or lack one that other rows have.
    """
    said = config.columns[config.target]
    values = table.columns[config.target][:, 0]
    if config.task == "regression":
        deviation = float(values[train].std())
        return Target(name=config.target, kind="regression", unit=said.unit, deviation=deviation or 1.0)
    known = class_values(table, config)
    found, counts = np.unique(values[train], return_counts=True)
    lacking = [label for label in known if label not in found]
    if lacking:
        raise UserError(f"target {config.target!r}: class {lacking[0]!r} has no training row; gather more rows of it")
    if len(known) < 2:
        raise UserError(f"target {config.target!r} has one class, {known[0]!r}: there is nothing to learn")
    share = counts.max() / counts.sum()
    classes = tuple(known) if said.kind == "category" else tuple(int(label) for label in known)
    return Target(
        name=config.target, kind="classification", classes=classes, deviation=float(np.sqrt(share * (1 - share)))
    )


def class_values(table: Table, config: DataConfig) -> list[str] | list[float]:
    """The classes as the table encodes them, in order."""
    return np.unique(table.columns[config.target][:, 0]).tolist()  # type: ignore[no-any-return]
