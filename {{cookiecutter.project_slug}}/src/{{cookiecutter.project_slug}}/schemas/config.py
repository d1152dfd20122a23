"""The project's own config groups. A key that is not here is a mistake, and is named as one."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self, TypeVar

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ConfigDict, Discriminator, Field, ValidationError, field_validator, model_validator

from ..ports import UserError
from .contract import MISSING_TOKENS, Entity, Kind
from .targets import check_target

Component = dict[str, Any]
"""A `_target_` with its arguments."""


class Group(BaseModel):
    """Base of all groups."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnConfig(Group):
    """One column of the raw table."""

    kind: Kind
    role: Literal["feature", "key", "ignored"] = "feature"
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

    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    source: Component | None = None
    path: str | None = None
    raw_dir: str
    processed_dir: str
    target: str
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
    def _names_known_columns(self) -> Self:
        if self.source is None and self.path is None:
            raise ValueError("there is no source: set data.path to a CSV or Parquet file, or data.source")
        if self.target not in self.columns:
            raise ValueError(f"the target {self.target!r} is not among data.columns")
        kind = self.columns[self.target].kind
        fitting = ("category", "integer", "boolean") if self.task == "classification" else ("number", "integer")
        if kind not in fitting:
            raise ValueError(f"a target of a {self.task} must be {' or '.join(fitting)}, {self.target!r} is {kind}")
        named = {
            "split.column": [getattr(self.split, "column", None)],
            "split.by": getattr(self.split, "by", None) or [],
        }
        for table, config in self.feature_tables.items():
            named[f"feature_tables.{table}.entity"] = [part.column for part in config.entity]
            named[f"feature_tables.{table}.columns"] = [a.of for a in config.columns.values()]
            named[f"feature_tables.{table}.time"] = [config.time]
            for column in [part.column for part in config.entity] + ([config.time] if config.time else []):
                if column in self.columns and (self.columns[column].role == "ignored" or column == self.target):
                    raise ValueError(f"feature_tables.{table} is looked up by {column!r}: make it a feature or a key")
        for where, names in named.items():
            for name in names:
                if name is not None and name not in self.columns:
                    raise ValueError(f"{where} names {name!r}, which is not among data.columns")
        for output in (f"{self.target}_prediction", f"{self.target}_probabilities"):
            if output in self.columns:
                raise ValueError(f"the column {output!r} has the name of an output: rename it")
        for name in self.columns:
            if not name or name.startswith("servable/"):
                raise ValueError(f"a column cannot be named {name!r}")
        return self


class FeaturesConfig(Group):
    """What the front-end does with each row before the model sees it."""

    include: Literal["__AUTO__"] | tuple[str, ...]
    exclude: tuple[str, ...]
    impute: Literal["median", "mean", "none"]
    indicators: bool
    scale: Literal["standard", "robust", "none"]
    categories: Literal["codes", "onehot"]
    max_levels: int = Field(ge=1)
    dates: tuple[Literal["year", "month", "day", "weekday", "hour"], ...]
    selector: Component | None = None


class TrainerConfig(Group):
    """Lightning's loop."""

    max_epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    patience: int = Field(ge=1)
    gradient_clip: float | None = Field(default=None, gt=0)
    accelerator: str
    devices: int | str
    precision: str
    checkpoints: str | None
    resume: str | None


class EvaluationConfig(Group):
    """What is computed on the rows that were not trained on."""

    folds: int = Field(ge=2)
    heldout_rows: int = Field(ge=1)
    golden_rows: int = Field(ge=64, le=512)
    importance_repeats: int = Field(ge=0)


class MlflowConfig(Group):
    """Where runs are logged and under what name the model is registered."""

    tracking_uri: str
    experiment: str
    model: str = Field(min_length=1)
    register_model: bool = Field(alias="register")

    @field_validator("model")
    @classmethod
    def _fits_into_a_reference(cls, name: str) -> str:
        if set(name) & set("/:@%'\""):
            raise ValueError(f"a registered model's name holds none of / : @ % and quotes, {name!r} does")
        return name


class LoggingConfig(Group):
    """What is written of the project's own doings."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]
    format: Literal["console", "json"]
    file: str | None


class ServingConfig(Group):
    """The HTTP service."""

    reference: str
    host: str
    port: int = Field(ge=0, le=65535)
    threads: int = Field(ge=0)
    tracking_uri: str
    cache_dir: str


class TrainConfig(Group):
    """`config/train.yaml`, and with it `fetch` and `prepare`, which read its `data` alone."""

    data: DataConfig
    logging: LoggingConfig
    description: str
    seed: int = Field(ge=0)
    threads: int = Field(ge=1)
    progress: bool
    features: FeaturesConfig
    model: Component
    trainer: TrainerConfig
    evaluation: EvaluationConfig
    mlflow: MlflowConfig


class CrossValidationConfig(TrainConfig):
    """`config/cv.yaml`."""

    heldout: bool


class EvaluateConfig(Group):
    """`config/evaluate.yaml`."""

    reference: str
    incumbent: str | None
    mlflow: MlflowConfig
    logging: LoggingConfig


class PredictConfig(Group):
    """`config/predict.yaml`."""

    reference: str
    input: str
    output: str
    rows: int = Field(ge=1)
    threads: int = Field(ge=0)
    feature_tables: str | None
    mlflow: MlflowConfig
    logging: LoggingConfig


class ServeConfig(Group):
    """`config/serve.yaml`."""

    serving: ServingConfig
    logging: LoggingConfig


Config = TypeVar("Config", bound=Group)


def validate(schema: type[Config], cfg: DictConfig) -> Config:
    """Check a composed configuration against its schema, and every `_target_` of the project against its class.

    Raises:
        UserError: an unknown key, a missing value or one of the wrong type; the message is one line.
    """
    try:
        container = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        text = str(error).splitlines()[0]
        unset = text.removeprefix("Missing mandatory value: ")
        raise UserError(f"config: {unset} is not set" if unset != text else f"config: {text}") from None
    try:
        config = schema.model_validate(container)
    except ValidationError as error:
        raise UserError(f"config: {_first_problem(error)}") from None
    _check_targets(container, "")
    return config


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    if "split" in path[:-1]:
        del path[path.index("split") + 1]  # pydantic's name for the kind of split
    where = ".".join(path)
    if first["type"] == "extra_forbidden":
        return f"{where} is not a key that is known here; see config/ for those that are"
    if first["type"] == "missing":
        return f"{where} is not set"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] != "value_error":
        message += f", not {first['input']!r}"
    return f"{where}: {message}" if where else message


def _check_targets(node: Any, where: str) -> None:
    if isinstance(node, dict):
        if "_target_" in node:
            check_target(node, where)
        for key, value in node.items():
            _check_targets(value, f"{where}.{key}" if where else str(key))
