"""The interfaces between the parts; `integrations` and `models` hold what stands behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    import numpy as np
    from onnx import ModelProto

OnEpoch = Callable[[int, Mapping[str, float]], None]
"""Called after each epoch or boosting round with its number, from 0, and its metrics by name (`val/loss`)."""


class UserError(Exception):
    """A mistake that the user can mend; the message is one line: what is wrong, where, what to do."""


class UnsupportedModelError(UserError):
    """A model that trains, but that no ONNX converter is known to reproduce exactly."""


class AliasMovedError(UserError):
    """An alias that another process has pointed elsewhere at the same time."""


class UnreachableError(UserError):
    """A store that does not answer now, and may answer later."""


@dataclass(frozen=True)
class Matrix:
    """What the front-end returned for some rows, with their target."""

    features: np.ndarray
    """float32 `[N, F]`."""
    target: np.ndarray
    """float64 `[N]` in the target's unit, or int64 `[N]` with the number of the class."""
    names: tuple[str, ...]
    """Name of each feature."""
    levels: Mapping[int, int]
    """Features that hold a category's code, by position, with the number of codes: for embeddings."""
    classes: int
    """Number of classes; 0 for a regression."""


class FittedModel(Protocol):
    """A model that has been fitted, in its own framework."""

    def predict(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """`{"prediction": [N, 1]}` in the target's unit, or `{"probabilities": [N, K]}`, by the training framework."""
        ...

    def to_onnx(self) -> ModelProto:
        """A graph with one input float32 `[N, F]` and the same output, under the same name, as `predict`.

        Raises:
            UnsupportedModelError: no converter reproduces this model exactly.
        """
        ...


class Estimator(Protocol):
    """Something that can be fitted; it neither logs nor registers, so that folds and final fits share it."""

    def fit(self, train: Matrix, val: Matrix, on_epoch: OnEpoch) -> FittedModel:
        """Fit on `train`; `val` is for early stopping and learning curves alone."""
        ...


class TableSource(Protocol):
    """Where a raw table comes from."""

    def fetch(self, folder: Path, name: str) -> Path:
        """Put the raw table into `folder` as `<name>-<fingerprint>.<format>` unless it is there; return its path."""
        ...


class Tracker(Protocol):
    """One run in the tracking store."""

    @property
    def run_id(self) -> str:
        """The run's identifier."""
        ...

    def params(self, values: Mapping[str, object]) -> None:
        """Record parameters."""
        ...

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Record metrics, named `<split>/<metric>`."""
        ...

    def tags(self, values: Mapping[str, str]) -> None:
        """Record facts."""
        ...

    def artifact(self, path: Path, folder: str = "") -> None:
        """Keep a file with the run."""
        ...

    def servable(self, folder: Path) -> str:
        """Keep a servable's directory with the run, and return its address (`models:/m-…`)."""
        ...


@dataclass(frozen=True)
class Version:
    """One version of a registered model."""

    name: str
    version: str
    run_id: str | None
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    created: float = 0.0
    """Seconds since 1970."""


@dataclass(frozen=True)
class RunFacts:
    """What a run recorded of itself."""

    metrics: Mapping[str, float]
    """Their last values, by name (`<split>/<metric>`)."""
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Mover:
    """Who moves an alias, and from where."""

    by: str
    pipeline: str | None = None
    """Address of the CI pipeline."""
    commit: str | None = None
    """The commit that the pipeline runs on."""


HAND = Mover("hand")


@dataclass(frozen=True)
class Move:
    """A promotion or a rollback that somebody asks for, or the end of one that was killed after its last write."""

    kind: Literal["promote", "rollback", "finish"]
    version: str
    """Number of the version that is to hold the alias."""
    to: str
    mover: Mover
    run_id: str | None = None
    """The run that trained the version."""
    before: str | None = None
    """Number of the version that held the alias when it was asked for."""
    report: str | None = None
    """What the gates found: a file of the run."""
    release: str | None = None
    """The release that the version becomes, such as `1.2.0`."""


RECORD = ".moves"
"""End of the registered model's name under which the record of a model's moves is kept."""
State = Literal["open", "done", "refused", "abandoned"]
"""Of an entry: not finished yet; finished; nothing was moved; its process ended, or took too long, half-way."""


@dataclass(frozen=True)
class Entry:
    """One entry of a model's record of moves; its state alone may change."""

    name: str
    """Of the model."""
    number: int
    """Its place: entries are numbered from 1, in one order that all processes see."""
    move: Move
    state: State
    created: float
    """Seconds since 1970, by the registry's clock."""


class Registry(Protocol):
    """Registered models, their versions, and the aliases that point to them."""

    @property
    def embedded(self) -> bool:
        """Whether the store is this machine's own, not a server that people share."""
        ...

    def find(self, reference: str) -> Version:
        """The version that `models:/<name>@<alias>` or `models:/<name>/<version>` means.

        Raises:
            UnreachableError: the registry does not answer.
            UserError: there is none, or the reference is malformed.
        """
        ...

    def versions(self, name: str) -> list[Version]:
        """All versions of a model with their aliases, the newest first.

        Raises:
            UserError: there is no such model.
        """
        ...

    def run_status(self, version: Version) -> str:
        """How the run that trained the version ended: `FINISHED`, `FAILED`, ...; `absent` or `deleted`."""
        ...

    def run_facts(self, run_id: str) -> RunFacts:
        """What a run recorded of itself.

        Raises:
            UserError: there is no such run.
        """
        ...

    def download(self, version: Version) -> Path:
        """The version's servable as a directory.

        Raises:
            UnreachableError: the registry does not answer.
            UserError: its files cannot be had.
        """
        ...

    def register(self, tracker: Tracker, servable: Path, tags: Mapping[str, str]) -> Version:
        """Register a run's servable as a new version of the model that the contract names."""
        ...

    def set_alias(
        self, version: Version, alias: str, by: Mover = HAND, *, report: str | None = None, release: str | None = None
    ) -> None:
        """Point an alias to a version, and read it back; the version's history says who held it before, and who did it.

        Raises:
            AliasMovedError: another process has moved it meanwhile.
        """
        ...

    def remove_alias(self, version: Version, alias: str, by: Mover) -> None:
        """Take an alias away from the version that holds it; the version's history says so."""
        ...

    def tag(self, version: Version, facts: Mapping[str, str | None]) -> None:
        """Record facts about a version; None removes one."""
        ...

    def describe(self, version: Version, text: str) -> None:
        """Say what a version is, in a few lines for people."""
        ...

    def attach(self, version: Version, path: Path, folder: str) -> None:
        """Keep a file with the run that trained the version."""
        ...

    def attached(self, version: Version, path: str) -> str | None:
        """The text of a file that `attach` kept, by its folder and name; None where there is none.

        Raises:
            UnreachableError: the registry does not answer.
        """
        ...

    def append(self, name: str, move: Move) -> Entry:
        """Add an open entry to a model's record of moves; the first one begins the record."""
        ...

    def entries(self, name: str, state: State | None = None) -> list[Entry]:
        """A model's record of moves, or its entries of one state, the newest first; empty where there is none."""
        ...

    def close(self, entry: Entry, state: State) -> None:
        """Say how a move ended."""
        ...

    def guarded(self, check: Callable[[], None], seconds: float) -> AbstractContextManager[None]:
        """Call `check` before every write to aliases and tags within the block; what it raises stops the write.

        No request to a server is made twice within the block, or waited for longer than `seconds` (at least one).
        """
        ...

    def check_target(self, name: str, target: str, kind: str) -> None:
        """Refuse a name that is taken by a model of another target.

        Raises:
            UserError: the registered model predicts something else.
        """
        ...


@dataclass(frozen=True)
class RawTable:
    """A raw table that a version was trained on, and that is wanted again."""

    name: str
    fingerprint: str
    """sha256 of its bytes."""
    places: tuple[str, ...]
    """The folder that `fetch` kept it in, and the file that it came from, as the configuration named them."""


class RawStore(Protocol):
    """Somewhere that raw tables may still lie."""

    def find(self, table: RawTable, checkout: Path) -> Path | None:
        """A file with the table's bytes; None where there is none.

        Args:
            table: the one that is wanted.
            checkout: a worktree of the commit that the version was trained from.
        """
        ...


class Place(Protocol):
    """Somewhere that serves servables, beside this repository's own service."""

    def check(self, folder: Path, version: str) -> str:
        """Have it answer a version's golden rows, and say in a few words what it did.

        Args:
            folder: the version's servable.
            version: its number.

        Raises:
            UserError: it cannot serve the version, or answers otherwise than training did.
        """
        ...
