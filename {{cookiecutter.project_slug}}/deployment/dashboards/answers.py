"""What `/predict` answers to columns, and how it reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from {{ cookiecutter.project_slug }}.schemas.contract import Contract

from . import words


@dataclass(frozen=True)
class Headline:
    """One target's prediction for one row."""

    target: str
    value: str
    """With its unit."""
    probabilities: Mapping[str, float]
    """By class, the most probable first; empty for a regression."""


@dataclass(frozen=True)
class Answer:
    """Predictions of some rows."""

    columns: Mapping[str, Any]
    """By name, a list with a value per row; probabilities are an object of lists by class."""
    model: Mapping[str, str | None]
    """Name, version and alias of the model that answered."""

    def fits(self, contract: Contract) -> bool:
        """Whether it holds what a model of the contract predicts."""
        for target in contract.targets:
            shares = self.columns.get(target.probabilities, {})
            if target.prediction not in self.columns or shares.keys() != set(map(str, target.classes or ())):
                return False
        return True

    def headlines(self, contract: Contract, row: int = 0) -> list[Headline]:
        """The targets' predictions for a row."""
        found = []
        for target in contract.targets:
            value = self.columns[target.prediction][row]
            value = str(value) if target.classes else words.with_unit(value, target.unit)  # a label is no quantity
            shares = {str(label): values[row] for label, values in self.columns.get(target.probabilities, {}).items()}
            found.append(Headline(target.name, value, dict(sorted(shares.items(), key=lambda item: -item[1]))))
        return found

    def added(self, contract: Contract, row: int = 0) -> dict[str, str]:
        """What the service's business rules add to a row, as text."""
        known = {name for target in contract.targets for name in (target.prediction, target.probabilities)}
        known |= {key.name for key in contract.keys}
        return {name: str(values[row]) for name, values in self.columns.items() if name not in known}

    def flat(self, contract: Contract) -> dict[str, np.ndarray | list[Any]]:
        """Table columns `[N]` as batch scoring names and types them; fields of the business rules are lists."""
        found: dict[str, np.ndarray | list[Any]] = {}
        for target in contract.targets:
            values = self.columns[target.prediction]
            found[target.prediction] = values if target.classes else np.array(values, np.float32)
            for label, shares in self.columns.get(target.probabilities, {}).items():
                found[f"{target.probabilities}_{label}"] = np.array(shares, np.float32)
        keys = {key.name for key in contract.keys}
        probabilities = {target.probabilities for target in contract.targets}
        others = self.columns.keys() - found.keys() - keys - probabilities
        return found | {name: self.columns[name] for name in self.columns if name in others}
