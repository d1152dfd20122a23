"""Whether the split of a new table leaves rows on every side, tried on the table itself."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from ..inference.wire import encode_column, encode_key
from ..ports import UserError
from ..schemas.data import DataConfig, HashSplit
from .description import composed
from .splits import assign
from .table import Table, features_of, keys_of

LARGER = ((0.15, 0.25), (0.25, 0.25))
"""Shares of validation and of the held-out rows to try where those of base.yaml leave a side empty."""
HEAD = 20_000
"""Rows that are tried first: where they fill every side, the whole table does."""


def shares_for(table: pa.Table, text: str, base: Path) -> tuple[float, float] | None:
    """Shares that leave rows on every side; None where those of `base` do.

    Args:
        table: the raw table.
        text: of `config/data/<name>.yaml`.
        base: `config/data/base.yaml`.

    Raises:
        UserError: the description does not fit together, or the rows are too much alike to be split.
    """
    config = composed(text, base)
    split = config.split
    assert isinstance(split, HashSplit)
    names = tuple(split.by or keys_of(config) or features_of(config))
    if _fills(_encoded(table.slice(0, HEAD), config, names), config):
        return None
    hashed = _encoded(table, config, names)
    for shares in (None, *LARGER):
        own = {} if shares is None else {"validation": shares[0], "heldout": shares[1]}
        if _fills(hashed, config.model_copy(update={"split": split.model_copy(update=own)})):
            return shares
    by = " and ".join(map(repr, split.by or keys_of(config))) or "its inputs"
    raise UserError(f"{config.path} cannot be split: by {by}, its rows are too few or too much alike")


def _fills(table: Table, config: DataConfig) -> bool:
    if not len(table):
        return False
    try:
        assign(table, config)
    except UserError:
        return False
    return True


def _encoded(table: pa.Table, config: DataConfig, names: tuple[str, ...]) -> Table:
    """The rows with a target, with the columns that are hashed."""
    tokens = set(config.missing_tokens)
    target = encode_column(
        table[config.target], {"name": config.target, "kind": config.columns[config.target].kind}, tokens
    )[:, 0]
    has = target != "" if target.dtype == object else ~np.isnan(target)
    columns = {}
    for name in names:
        column = config.columns[name]
        if column.role == "key":
            columns[name] = encode_key(table[name].to_pylist(), name)[has, None]
        else:
            columns[name] = encode_column(table[name], {"name": name, "kind": column.kind}, tokens)[has]
    return Table(columns, "", Path())
