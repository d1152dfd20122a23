"""Runs all gates, whatever the first ones say, and writes down what they found."""

import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loguru import logger

from ..inference.wire import InputError
from ..ports import UserError
from ..utils.figures import finite
from .case import Case, Figures, Gate, Verdict
from .markdown import figures_of, table

OFF = Verdict(True, "switched off in the configuration")


@dataclass(frozen=True)
class Report:
    """What every gate found about one version that asks for one alias."""

    name: str
    version: str
    to: str
    incumbent: str | None
    by: str
    at: str
    """ISO 8601, UTC."""
    verdicts: Mapping[str, Verdict]

    @property
    def refusals(self) -> dict[str, str]:
        """Reasons by gate, for those that refuse."""
        return {gate: verdict.reason for gate, verdict in self.verdicts.items() if not verdict.passed}

    def table(self) -> str:
        """For a terminal: a line per gate."""
        width = max(map(len, self.verdicts))
        return "\n".join(
            f"{word(verdict):<8} {gate:<{width}}  {verdict.reason}" for gate, verdict in self.verdicts.items()
        )

    def markdown(self, level: int = 2) -> list[str]:
        """For a page: who asked, a table of the gates, and what they measured under headings of a level."""
        against = f"version {self.incumbent}" if self.incumbent else "nothing: it is the first"
        lines = [f"Asked by {self.by} at {self.at}; compared with {against}.", ""]
        rows = [[gate, word(verdict), verdict.reason] for gate, verdict in self.verdicts.items()]
        lines += table(["gate", "verdict", "what was found"], rows)
        for gate, verdict in self.verdicts.items():
            lines += figures_of(gate, verdict.figures, level)
        return lines

    def write(self, folder: Path) -> list[Path]:
        """`<to>.json`, which knows no infinity (it is null there), and `<to>.md`."""
        document = {
            "model": self.name,
            "version": self.version,
            "to": self.to,
            "incumbent": self.incumbent,
            "by": self.by,
            "at": self.at,
            "passed": not self.refusals,
            "gates": [
                {"gate": gate, "verdict": word(verdict), "reason": verdict.reason, "figures": _plain(verdict.figures)}
                for gate, verdict in self.verdicts.items()
            ],
        }
        page = [
            f"# {self.name} version {self.version} to {self.to}: {'refused' if self.refusals else 'passed'}",
            "",
            *self.markdown(),
        ]
        texts = {"json": json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False), "md": "\n".join(page)}
        for suffix, text in texts.items():
            (folder / f"{self.to}.{suffix}").write_text(text + "\n", encoding="utf-8")
        return [folder / f"{self.to}.{suffix}" for suffix in texts]


def judge(gates: Mapping[str, Gate | None], case: Case) -> dict[str, Verdict]:
    """The verdict of every gate by name, in order; a gate that is None is off, one that crashes refuses."""
    verdicts = {}
    for name, gate in gates.items():
        if gate is None:
            verdicts[name] = OFF
            continue
        try:
            verdicts[name] = gate.check(case)
        except (UserError, InputError) as error:
            verdicts[name] = Verdict(False, _one_line(str(error)))
        except Exception as error:  # whatever a gate stumbles over, the version has not passed it
            logger.exception("the gate {} crashed", name)
            verdicts[name] = Verdict(False, _one_line(f"the gate crashed: {error!r}"))
    return verdicts


def not_asked(gates: Mapping[str, Gate | None], why: str) -> dict[str, Verdict]:
    """The verdicts on a version that no gate can look at: each refuses, those that are off apart."""
    refused = Verdict(False, _one_line(f"not run: {why}"))
    return {name: OFF if gate is None else refused for name, gate in gates.items()}


def _one_line(text: str) -> str:
    return textwrap.shorten(text, 400, placeholder=" …")


def word(verdict: Verdict) -> str:
    """A verdict in a word."""
    return "off" if verdict is OFF else "passed" if verdict.passed else "refused"


def _plain(figures: Figures) -> dict[str, object]:
    return {name: _plain(value) if isinstance(value, Mapping) else finite(value) for name, value in figures.items()}
