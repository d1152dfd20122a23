"""What a refit has shown: the verdict, as a table and as JSON."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..utils.figures import finite
from .comparison import Comparison, Metric
from .graphs import Weights

Verdict = Literal["identical", "equal", "differs"]


@dataclass(frozen=True)
class Report:
    """A version, how it was refitted, and what came of it."""

    name: str
    version: str
    commit: str
    environment: str
    raw: str
    """Where the raw table was found."""
    tolerance: float
    found: Comparison

    @property
    def verdict(self) -> Verdict:
        """Whether nothing differs, no more than the tolerance, or more."""
        if self.found.identical:
            return "identical"
        return "equal" if self.found.relative <= self.tolerance else "differs"

    @property
    def title(self) -> str:
        """The verdict in a line."""
        within = f"within {self.tolerance:g}"
        said = {"identical": "identical, bit for bit", "equal": f"equal {within}", "differs": f"not equal {within}"}
        return f"{self.name} version {self.version} refitted: {said[self.verdict]}"

    def document(self) -> dict[str, Any]:
        """As JSON has it, which knows no infinity: it is null there."""
        graph = self.found.graph
        return {
            "model": self.name,
            "version": self.version,
            "verdict": self.verdict,
            "tolerance": self.tolerance,
            "commit": self.commit,
            "environment": self.environment,
            "raw_table": self.raw,
            "graph": {
                "same_bytes": graph.same_bytes,
                "structure": graph.structure,
                "weights": [_described(one) for one in graph.weights],
            },
            "metrics": [_described(metric) for metric in self.found.metrics],
            "changed": [asdict(fact) for fact in self.found.facts],
            "files": list(self.found.files),
        }

    def table(self) -> str:
        """For people."""
        metrics, files, facts = self.found.metrics, self.found.files, self.found.facts
        rows = [("metric", "recorded", "refitted", "difference")]
        rows += [(one.name, _shown(one.recorded), _shown(one.refitted), _shown(one.absolute)) for one in metrics]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        lines += [
            "",
            f"graph        {self.found.graph}",
            f"other files  {', '.join(files) + ': other bytes' if files else 'the same bytes'}",
            f"commit       {self.commit[:12]}",
            f"environment  {self.environment}",
            f"raw table    {self.raw}",
            *(f"changed      {fact}" for fact in facts or ("nothing that was recorded",)),
        ]
        return "\n".join(line.rstrip() for line in [self.title, "", *lines])


def _described(part: Metric | Weights) -> dict[str, Any]:
    values = asdict(part) | {"absolute": part.absolute, "relative": part.relative}
    return {key: finite(value) for key, value in values.items()}


def _shown(value: float | None) -> str:
    return "absent" if value is None else f"{value:.9g}"
