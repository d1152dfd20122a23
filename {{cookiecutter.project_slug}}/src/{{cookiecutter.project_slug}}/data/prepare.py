"""From the raw file to a prepared table: encoded, validated, feature tables joined; kept until its inputs change."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from loguru import logger

from ..inference.feature_tables import ENTITY, TIME, FeatureTable, entity_of
from ..inference.tables import read_table
from ..inference.wire import InputError, encode_column, encode_key
from ..ports import UserError
from ..schemas.data import DataConfig, HashSplit
from ..utils.files import replacing, sha256
from . import feature_tables, validation
from .sources import fetch
from .table import Table, keys_of, sources_of

FORMAT = 1
"""Of the files below `data.processed_dir`; a new one makes every table anew."""


def prepare(config: DataConfig) -> Table:
    """Fetch and prepare where needed, and return the table.

    Raises:
        UserError: a column is absent, a value does not fit its kind, or a row breaks a rule of `data.columns`.
    """
    raw = fetch(config)
    fingerprint = sha256(raw)
    rules = config.model_dump(mode="json", exclude={"path", "source", "raw_dir", "processed_dir", "split"})
    identity = hashlib.sha256(json.dumps([FORMAT, fingerprint, rules]).encode()).hexdigest()
    folder = Path(config.processed_dir) / f"{config.name}-{identity[:16]}"
    if not (folder / "table.parquet").exists():
        with replacing(folder) as aside:
            aside.mkdir()
            _write(raw, aside, config)
    logger.info("table {}: {}", config.name, folder)
    return Table(_read_columns(folder / "table.parquet"), fingerprint, folder)


def _write(raw: Path, folder: Path, config: DataConfig) -> None:
    shown = config.path or raw  # the user's own file, not the copy of it
    columns = _encode(raw, config, shown)
    try:
        validation.check(columns, config)
    except UserError as error:
        raise UserError(f"{shown}: {error}") from None
    columns = _with_target(columns, config, shown)
    _warn_of_repeated_keys(columns, config)
    (folder / "feature_tables").mkdir()
    for name, table in config.feature_tables.items():
        computed = feature_tables.compute(name, table, columns, config)
        write_feature_table(computed, folder / "feature_tables" / f"{name}.parquet")
        source = next(s for s in sources_of(config).values() if s.table == name)
        time = columns[source.time][:, 0] if source.time else None
        columns |= computed.lookup(entity_of(columns, source.entity), time)
    pyarrow.parquet.write_table(
        pa.table({name: array[:, 0] for name, array in columns.items()}), folder / "table.parquet"
    )


def _with_target(columns: dict[str, np.ndarray], config: DataConfig, shown: object) -> dict[str, np.ndarray]:
    """The rows whose target has a value; without `data.drop_missing_target` the check has seen that all have one."""
    target = columns[config.target][:, 0]
    has = target != "" if target.dtype == object else ~np.isnan(target)
    if has.all():
        return columns
    if not has.any():
        raise UserError(f"{shown}: no row has a value of the target {config.target!r}")
    logger.info("{} of {} rows have no {!r} and are left out", int((~has).sum()), len(has), config.target)
    return {name: array[has] for name, array in columns.items()}


def _warn_of_repeated_keys(columns: Mapping[str, np.ndarray], config: DataConfig) -> None:
    """Keys identify a row. One that `split.by` names is a group, which repeats by its nature."""
    groups = (config.split.by or ()) if isinstance(config.split, HashSplit) else ()
    keys = [name for name in keys_of(config) if name not in groups]
    if not keys:
        return
    rows = pa.table({name: columns[name][:, 0] for name in keys})
    repeated = rows.num_rows - rows.group_by(keys).aggregate([]).num_rows
    if repeated:
        logger.warning(
            "{} of {} rows repeat the key {} of another: predictions of them cannot be told apart; add what identifies "
            "a row, or name a group in data.split.by",
            repeated, rows.num_rows, " and ".join(map(repr, keys)),
        )  # fmt: skip


def write_feature_table(table: FeatureTable, path: Path) -> None:
    """One Parquet file: entity, event time (where there is one), values."""
    time = {} if table.time is None else {TIME: table.time}
    pyarrow.parquet.write_table(pa.table({ENTITY: table.entity, **time, **table.values}), path)


def _encode(raw: Path, config: DataConfig, shown: object) -> dict[str, np.ndarray]:
    table = read_table(raw, called=shown)
    absent = [name for name in config.columns if name not in table.column_names]
    if absent:
        raise UserError(f"{shown} has no column {absent[0]!r}, which data.columns names; it has {table.column_names}")
    left_out = [name for name in table.column_names if name not in config.columns]
    if left_out:
        logger.info("columns that data.columns does not name are left out: {}", ", ".join(left_out))
    tokens, columns = set(config.missing_tokens), {}
    for name, column in config.columns.items():
        try:
            if column.role == "key":
                columns[name] = encode_key(table[name].to_pylist(), name)[:, None]
            else:
                columns[name] = encode_column(table[name], {"name": name, "kind": column.kind}, tokens)
        except InputError as error:
            raise UserError(f"{shown}: {error}") from None
        if column.kind == "category" and column.role == "feature":
            _warn_of_numbers(name, columns[name][:, 0])
    return columns


def _warn_of_numbers(name: str, values: np.ndarray) -> None:
    """A code such as 01 becomes 1 in every reader that guesses types, and would then be an unknown category."""
    odd = next((v for v in values if len(v) > 1 and v[0] == "0" and v.isdigit()), None)
    if odd is not None:
        logger.warning("column {!r} holds {!r}: readers that guess types drop the zero; send it as text", name, odd)


def _read_columns(path: Path) -> dict[str, np.ndarray]:
    table = pyarrow.parquet.read_table(path)
    return {name: table[name].to_numpy().reshape(-1, 1) for name in table.column_names}
