"""The contract that lies beside a servable's graph: what goes in, what comes out, where it came from."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

SCHEMA_VERSION = 1
CONTRACT_FILE = "contract.json"
GRAPH_FILE = "model.onnx"
CONTRACT_TAG = "contract.sha256"
"""The tag of a version with the sha256 of its contract, which holds the digests of all other files: who may change
those may not change a tag."""
CATEGORIES_SHOWN = 100
"""Levels that a contract lists at most."""

Kind = Literal["number", "integer", "boolean", "time", "category"]
Role = Literal["feature", "past", "known", "static", "time", "key"]

# pandas.read_csv's own list, so that every reader agrees on what is missing.
MISSING_TOKENS = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip


class ContractError(ValueError):
    """A contract that cannot be read; the message is one line."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Entity(_Strict):
    """One part of a feature table's key: a raw column, or the number of the cell it falls into."""

    column: str
    """The raw column that the key is made of."""
    grid: float | None = Field(default=None, gt=0)
    """Width of a cell in the column's own unit; the key is floor(value / grid). None: the value itself."""


class Source(_Strict):
    """Where a column's values come from when the raw table does not hold them."""

    table: str
    """Name of the feature table."""
    entity: tuple[Entity, ...]
    """What identifies a row of it."""
    time: str | None = None
    """The raw column with the time as of which values are looked up; None: the values do not change in time."""


class Column(_Strict):
    """One input of the graph, `[N, width]`, or a key that travels past it."""

    name: str
    role: Role = "feature"
    kind: Kind
    width: int = Field(default=1, ge=1)
    unit: str | None = None
    missing: bool = True
    """Whether a value may be missing."""
    range: tuple[float, float] | None = None
    """Least and greatest value seen in training: documentation, not a limit."""
    typical: float | str | None = None
    """The median or the most frequent level seen in training; the API's example is made of these."""
    categories: tuple[str, ...] | None = None
    """The most frequent levels seen in training: documentation, not a limit."""
    source: Source | None = None


class Target(_Strict):
    """One thing that is predicted."""

    name: str
    kind: Literal["regression", "classification"]
    classes: tuple[str, ...] | tuple[int, ...] | None = None
    unit: str | None = None
    horizon: int | None = None
    quantiles: tuple[float, ...] | None = None
    deviation: float = Field(gt=0)
    """Standard deviation in training: of the target, or of the indicator of the most frequent class."""
    tolerance: float = Field(default=1e-5, gt=0)
    """Two answers agree when they differ by at most tolerance × (deviation + |y|)."""

    @property
    def identity(self) -> tuple[object, ...]:
        """What two targets must share for their predictions to be compared."""
        return self.name, self.kind, self.classes

    @property
    def prediction(self) -> str:
        """Name of the output that holds the value or the label, `[N, 1]`."""
        return f"{self.name}_prediction"

    @property
    def probabilities(self) -> str:
        """Name of a classifier's output with one probability per class, `[N, K]`."""
        return f"{self.name}_probabilities"


class Provenance(_Strict):
    """What the servable was made from; None where it could not be known."""

    commit: str | None = None
    dirty: bool | None = None
    lock: str | None = None
    """sha256 of uv.lock."""
    data: str
    """sha256 of the raw table's bytes."""
    config: str
    """sha256 of the resolved configuration."""


class Contract(_Strict):
    """Everything a door needs to know besides the graph."""

    schema_version: Literal[1] = 1
    name: str
    columns: tuple[Column, ...]
    targets: tuple[Target, ...]
    missing_tokens: tuple[str, ...] = MISSING_TOKENS
    split: dict[str, str | float | int | None] = {}
    """The rule that put a row into training, validation or the held-out part."""
    opsets: dict[str, int] = {}
    provenance: Provenance | None = None
    digests: dict[str, str] = {}
    """sha256 of every file beside the contract."""

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [column.name for column in self.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"columns named twice: {', '.join(twice)}")
        return self

    @property
    def inputs(self) -> list[Column]:
        """The columns that are inputs of the graph."""
        return [column for column in self.columns if column.role != "key"]

    @property
    def keys(self) -> list[Column]:
        """The columns that identify a row and travel past the graph."""
        return [column for column in self.columns if column.role == "key"]

    @property
    def target(self) -> Target:
        """The target of a servable that has one."""
        (target,) = self.targets
        return target

    def to_json(self) -> str:
        """The same text for the same contract, in any folder."""
        return self.model_dump_json(indent=1) + "\n"

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read `contract.json` of a servable's directory.

        Raises:
            ContractError: the file is absent, is not a contract, or has a schema version that this code does not know.
        """
        path = folder / CONTRACT_FILE
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise ContractError(f"{folder} is not a servable: it has no {CONTRACT_FILE}") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            if where == "schema_version":
                hint = f"this code reads version {SCHEMA_VERSION}; use the project's version that wrote it"
                raise ContractError(f"{path}: unknown schema_version {first['input']!r}: {hint}") from None
            raise ContractError(f"{path}: {where}: {first['msg']}") from None
