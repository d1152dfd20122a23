"""What is judged: a candidate, the incumbent, and what a gate says of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ..inference.engine import Engine
from ..ports import Version

Figures = Mapping[str, "float | Figures"]
"""Numbers by name; a group of them has a name too."""


@dataclass(frozen=True)
class Incumbent:
    """The version that holds `prod`, where that is another than the candidate."""

    version: Version
    engine: Engine | None
    """None where its servable does not load."""
    problem: str = ""
    """Why it does not."""
    major: int | None = None
    """The major number that clients know: its release's, or the highest of the model's; None where there is none."""


@dataclass(frozen=True)
class Case:
    """One version that asks for an alias."""

    version: Version
    run_status: str
    """How the run that trained it ended."""
    candidate: Engine
    incumbent: Incumbent | None
    """None for the first version that asks."""
    new_major: bool
    """Whether clients are told to change: the contract may differ, and there is nothing to compare with."""
    config: str | None = None
    """The text of the resolved configuration that the run keeps; None where it keeps none."""

    @property
    def major_release(self) -> str:
        """How a version is released that clients of the incumbent cannot call unchanged."""
        by_number = "promotion.new_major=true"
        if self.incumbent is None or self.incumbent.major is None:
            return f"a new major release ({by_number}; a tag's number does not say it, since no release has one)"
        return f"a new major release (tag v{self.incumbent.major + 1}.0.0, or {by_number} by hand)"


@dataclass(frozen=True)
class Verdict:
    """What one gate found."""

    passed: bool
    reason: str
    """One line: what was found, or what is wrong and what to do."""
    figures: Figures = field(default_factory=dict)


class Gate(Protocol):
    """One check. A gate is a class with this method and a `_target_` in `config/promotion/`."""

    def check(self, case: Case) -> Verdict:
        """Judge the candidate; a UserError or InputError that is raised is a refusal too."""
        ...
