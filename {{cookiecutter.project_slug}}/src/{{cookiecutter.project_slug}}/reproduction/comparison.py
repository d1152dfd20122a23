"""A registered version beside its refit: metrics, graph, files, recorded facts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..ports import RunFacts, UserError
from ..schemas.contract import GRAPH_FILE, Contract
from ..utils.files import sha256
from .facts import Fact, changed, facts_of
from .graphs import GraphComparison, compare_graphs, largest_difference, relative_to

SPLITS = ("train/", "val/", "test/")
"""Beginnings of the metrics that are compared."""


@dataclass(frozen=True)
class Metric:
    """One metric of both runs; None where one of them does not have it."""

    name: str
    recorded: float | None
    refitted: float | None

    @property
    def absolute(self) -> float:
        """The absolute difference; infinite where one is absent."""
        if self.recorded is None or self.refitted is None:
            return math.inf
        return largest_difference(np.array([self.recorded]), np.array([self.refitted]))

    @property
    def relative(self) -> float:
        """The difference as a share of the recorded value."""
        return relative_to(self.recorded or 0.0, self.absolute)


@dataclass(frozen=True)
class Comparison:
    """What is the same, and what is not."""

    graph: GraphComparison
    metrics: tuple[Metric, ...]
    facts: tuple[Fact, ...]
    """Recorded facts that have changed."""
    files: tuple[str, ...]
    """The servable's other files with other bytes."""

    @property
    def identical(self) -> bool:
        """Whether graph and metrics are the same, bit for bit."""
        return self.graph.same_bytes and not any(metric.absolute for metric in self.metrics)

    @property
    def relative(self) -> float:
        """The largest relative difference of a metric or a weight."""
        return max([self.graph.relative, *(metric.relative for metric in self.metrics)])

    def __str__(self) -> str:
        """What differs by how much, and what has changed, in a line."""
        parts = [] if self.graph.same_bytes else [f"graph: {self.graph}"]
        off = sorted((metric for metric in self.metrics if metric.absolute), key=lambda metric: -metric.relative)
        if off:
            parts.append(f"{len(off)} of {len(self.metrics)} metrics differ, {off[0].name} by {off[0].relative:.3g}")
        facts = ", ".join(map(str, self.facts)) or "nothing that was recorded"
        return "; ".join([*parts, f"changed since: {facts}"])


def compare_metrics(recorded: Mapping[str, float], refitted: Mapping[str, float]) -> tuple[Metric, ...]:
    """The metrics of every split, in the order of their names."""
    names = sorted(name for name in {*recorded, *refitted} if name.startswith(SPLITS))
    return tuple(Metric(name, recorded.get(name), refitted.get(name)) for name in names)


def compare(recorded: RunFacts, registered: Path, refitted: RunFacts, servable: Path) -> Comparison:
    """Compare two runs with their servables.

    Args:
        recorded: the run that trained the version.
        registered: the version's servable.
        refitted: the refit's run.
        servable: the refit's servable.

    Raises:
        UserError: the registered graph is not the one that was trained.
    """
    contract, other = Contract.read(registered), Contract.read(servable)
    if sha256(registered / GRAPH_FILE) != contract.digests.get(GRAPH_FILE):
        raise UserError(f"the {GRAPH_FILE} of the registered version is not the one that was trained: train it anew")
    names = sorted({*contract.digests, *other.digests} - {GRAPH_FILE})
    return Comparison(
        graph=compare_graphs(*((folder / GRAPH_FILE).read_bytes() for folder in (registered, servable))),
        metrics=compare_metrics(recorded.metrics, refitted.metrics),
        facts=changed(facts_of(recorded.tags, contract), facts_of(refitted.tags, other)),
        files=tuple(name for name in names if contract.digests.get(name) != other.digests.get(name)),
    )
