"""The project's own config groups. A key that is not here is a mistake, and is named as one."""

import re
from typing import Annotated, Any, Literal, Self, TypeVar

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import Field, ValidationError, field_validator, model_validator

from ..ports import RECORD, UserError
from .data import DataConfig
from .groups import Component, Group
from .serving import ServingConfig
from .targets import check_target

OWN_TAGS = re.compile(
    r"experiment|history|kind|lifecycle|servable|target|data\.(rows(\..*)?|sha256)|(git|lock|mlflow|package|prod|promotion|"
    r"release|rollback|system)\..*|test/.*"
)
"""Tags of runs and versions that are the project's own: gates and the lifecycle rely on them."""


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
    accelerator: Literal["auto", "cpu", "gpu", "mps"]
    precision: Literal["32", "bf16-mixed", "16-mixed"]
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
    tags: dict[str, Annotated[str, Field(min_length=1)]]

    @field_validator("model")
    @classmethod
    def _fits_into_a_reference(cls, name: str) -> str:
        if set(name) & set("/:@%'\""):
            raise ValueError(f"a registered model's name holds none of / : @ % and quotes, {name!r} does")
        if name.endswith(RECORD):
            raise ValueError(
                f"{name!r} is the record of {name.removesuffix(RECORD)!r}: no model's name ends in {RECORD}"
            )
        return name

    @field_validator("tags")
    @classmethod
    def _are_not_the_projects_own(cls, tags: dict[str, str]) -> dict[str, str]:
        taken = [name for name in tags if OWN_TAGS.fullmatch(name)]
        if taken:
            raise ValueError(f"the project itself writes the tag {taken[0]!r}: choose another name")
        return tags


class LoggingConfig(Group):
    """What is written of the project's own doings."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]
    format: Literal["console", "json"]
    file: str | None


class TrainConfig(Group):
    """`config/train.yaml`, and with it `fetch` and `prepare`, which read its `data` alone."""

    data: DataConfig
    logging: LoggingConfig
    description: str
    seed: int = Field(ge=0, lt=2**32)
    threads: int = Field(ge=1)
    progress: bool
    keep: str | None
    generated: tuple[Annotated[str, Field(min_length=1)], ...]
    revision: str | None
    features: FeaturesConfig
    model: Component
    trainer: TrainerConfig
    evaluation: EvaluationConfig
    mlflow: MlflowConfig

    @model_validator(mode="after")
    def _resumes_what_can_be(self) -> Self:
        if self.trainer.resume is not None and "trainer" not in self.model:
            raise ValueError("trainer.resume is set, and this model is not trained by Lightning: it starts anew")
        return self


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
    rejects: str | None
    rows: int = Field(ge=1)
    part_rows: int = Field(ge=1)
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
    config = checked(schema, container)
    _check_targets(container, "")
    return config


def checked(schema: type[Config], values: Any) -> Config:
    """Check values that are composed and resolved already: `${` in one of them stands for itself.

    Raises:
        UserError: as `validate`.
    """
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise UserError(f"config: {_first_problem(error)}") from None


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
