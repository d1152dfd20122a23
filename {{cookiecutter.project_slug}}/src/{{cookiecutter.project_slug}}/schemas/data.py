"""The `data` group: the table, what its columns are, and how its rows are split."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, field_validator, model_validator

from .contract import MISSING_TOKENS, Entity, Kind
from .groups import Component, Group

NAME = re.compile(r"[A-Za-z0-9_-]+")
"""Of what becomes a file's name."""


class ColumnConfig(Group):
    """One column of the raw table."""

    kind: Kind
    role: Literal["feature", "key", "time", "ignored"] = "feature"
    unit: str | None = None
    missing: bool | None = None
    min: float | None = None
    max: float | None = None
    values: tuple[str, ...] | None = None


class HashSplit(Group):
    """By a hash of columns: a row never changes sides when the table grows."""

    method: Literal["hash"] = "hash"
    by: tuple[str, ...] | None = None
    validation: float = Field(default=0.1, gt=0, lt=1)
    heldout: float = Field(default=0.2, gt=0, lt=1)

    @model_validator(mode="after")
    def _leaves_training_rows(self) -> Self:
        if self.validation + self.heldout >= 1:
            raise ValueError("validation and heldout leave no rows for training")
        return self


class TimeSplit(Group):
    """By absolute times: training before `validation_from`, held out from `heldout_from` on."""

    method: Literal["time"]
    column: str
    validation_from: datetime
    heldout_from: datetime

    @field_validator("validation_from", "heldout_from")
    @classmethod
    def _in_utc(cls, moment: datetime) -> datetime:
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.validation_from >= self.heldout_from:
            raise ValueError("validation_from must be before heldout_from")
        return self


class ColumnSplit(Group):
    """By a column that says it: `train`, `validation` or `heldout`."""

    method: Literal["column"]
    column: str


class FeatureTableConfig(Group):
    """A table of aggregates over other rows, joined to each row as of its time."""

    entity: tuple[Entity, ...] = Field(min_length=1)
    time: str | None = None
    columns: dict[str, "AggregateConfig"] = Field(min_length=1)


class AggregateConfig(Group):
    """One column of a feature table."""

    of: str
    function: Literal["mean", "min", "max", "count"] = "mean"
    unit: str | None = None


class DataConfig(Group):
    """The table, what its columns are, and how its rows are split."""

    name: str = Field(pattern=NAME.pattern)
    source: Component | None = None
    path: str | None = None
    raw_dir: str
    processed_dir: str
    target: str
    drop_missing_target: bool
    task: Literal["regression", "classification"]
    missing: Literal["observed", "allowed"]
    missing_tokens: tuple[str, ...] = MISSING_TOKENS
    columns: dict[str, ColumnConfig]
    feature_tables: dict[str, FeatureTableConfig]
    split: Annotated[HashSplit | TimeSplit | ColumnSplit, Discriminator("method")]

    @model_validator(mode="before")
    @classmethod
    def _without_inherited_split(cls, values: Any) -> Any:
        """A table that is not split by hash still inherits base.yaml's keys of that method."""
        split = values.get("split") if isinstance(values, dict) else None
        if not isinstance(split, dict) or split.get("method", "hash") == "hash":
            return values
        inherited = HashSplit().model_dump(exclude={"method"}).items()
        return {**values, "split": {key: value for key, value in split.items() if (key, value) not in inherited}}

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.source is None and self.path is None:
            raise ValueError("there is no source: set data.path to a CSV or Parquet file, or data.source")
        for name, column in self.columns.items():
            if not name or name.startswith("servable/"):
                raise ValueError(f"a column cannot be named {name!r}")
            if column.kind == "category" and (column.min is not None or column.max is not None):
                raise ValueError(f"columns.{name} is a category: it has values, not min and max")
            if column.role == "time" and column.kind != "time":
                raise ValueError(f"columns.{name} has the role time and must be of kind time, it is {column.kind}")
        self._check_target()
        self._check_split()
        for table in self.feature_tables:
            self._check_feature_table(table)
        if not any(column.role == "feature" for name, column in self.columns.items() if name != self.target):
            raise ValueError("columns has no feature besides the target")
        return self

    def _column(self, name: str, where: str) -> ColumnConfig:
        if name not in self.columns:
            raise ValueError(f"{where} names {name!r}, which is not among data.columns")
        return self.columns[name]

    def _check_target(self) -> None:
        if self.target not in self.columns:
            raise ValueError(f"the target {self.target!r} is not among data.columns")
        kind, role = self.columns[self.target].kind, self.columns[self.target].role
        if role != "feature":
            raise ValueError(f"the target {self.target!r} has the role {role}: remove the role, or name another target")
        fitting = ("category", "integer", "boolean") if self.task == "classification" else ("number", "integer")
        if kind not in fitting:
            raise ValueError(f"a target of a {self.task} must be {' or '.join(fitting)}, {self.target!r} is {kind}")
        for output in (f"{self.target}_prediction", f"{self.target}_probabilities"):
            if output in self.columns:
                raise ValueError(f"the column {output!r} has the name of an output: rename it")

    def _check_split(self) -> None:
        split = self.split
        if isinstance(split, HashSplit):
            for name in split.by or ():
                self._column(name, "split.by")
        elif isinstance(split, TimeSplit):
            if self._column(split.column, "split.column").kind != "time":
                raise ValueError(f"split.column: {split.column!r} must be of kind time")
        elif self._column(split.column, "split.column") != ColumnConfig(kind="category", role="ignored"):
            raise ValueError(
                f"split.column: {split.column!r} must be {{kind: category, role: ignored}}, or models see it"
            )

    def _check_feature_table(self, name: str) -> None:
        table, where = self.feature_tables[name], f"feature_tables.{name}"
        if not NAME.fullmatch(name):
            raise ValueError(f"{where}: a table's name holds letters, digits, - and _ alone")
        for part in table.entity:
            column = self._column(part.column, where)
            if column.role not in ("feature", "key") or part.column == self.target:
                raise ValueError(f"{where} is looked up by {part.column!r}: make it a feature or a key")
            if part.grid is not None and column.kind == "category":
                raise ValueError(f"{where}: {part.column!r} is a category, of which there is no grid")
        if table.time:
            time = self._column(table.time, where)
            if time.role not in ("feature", "time"):
                raise ValueError(f"{where} is looked up as of {table.time!r}: give it the role time")
            if time.kind != "time":
                raise ValueError(f"{where}.time: {table.time!r} must be of kind time")
        others = [column for other, config in self.feature_tables.items() if other != name for column in config.columns]
        for name_of, aggregate in table.columns.items():
            self._column(aggregate.of, f"{where}.columns")
            if name_of in self.columns or name_of in others or name_of in ("entity", "event_time"):
                raise ValueError(f"{where}.columns: {name_of!r} is taken: give it another name")
