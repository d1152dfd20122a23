"""The gate on cost: how long the candidate takes to answer, and what memory it holds, against the incumbent."""

import gc
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..evaluation.heldout import read_heldout
from ..inference.engine import Engine
from ..inference.wire import InputError
from .case import Case, Verdict
from .unseen import answered

MEBIBYTE = 2**20
LEAST_ROUNDS = 3


@dataclass(frozen=True)
class LatencyGate:
    """Time of one row and of a batch, and resident memory, of both versions in this process.

    The two take turns, and each round begins with the other one, so that what else the machine does hits both; medians
    are compared. A figure refuses where it is beyond the incumbent's by the tolerance and by the slack: a large share
    of next to nothing is noise, and nobody waits for it.

    Args:
        tolerance: share by which a figure may be above the incumbent's.
        row_slack_ms: milliseconds by which one row may take longer, whatever the share.
        batch_slack_ms: milliseconds by which a batch may take longer, whatever the share.
        slack_mib: mebibytes by which an engine may be larger, whatever the share.
        ceiling_ms: most milliseconds of one row, with or without an incumbent; None: any.
        ceiling_mib: most mebibytes of an engine; None: any.
        batch: rows of a batch.
        rounds: how often each answers.
        seconds: after which no further round begins, once there are three.
    """

    tolerance: float
    row_slack_ms: float
    batch_slack_ms: float
    slack_mib: float
    ceiling_ms: float | None
    ceiling_mib: float | None
    batch: int
    rounds: int
    seconds: float

    def check(self, case: Case) -> Verdict:
        """Measures both on held-out rows that both answer."""
        engines, note = {"candidate": case.candidate}, "the first to ask"
        columns, truth = read_heldout(case.candidate.folder, case.candidate.contract)
        rows = np.ones(len(truth), bool)
        if case.incumbent is not None:
            number, engine = case.incumbent.version.version, case.incumbent.engine
            note = f"version {number} does not load"
            if engine is not None:
                try:
                    rows = answered(engine, columns, rows)
                    engines["incumbent"], note = engine, f"version {number} answers none of the rows"
                except InputError as error:
                    note = f"version {number} cannot run ({error})"
        if not rows.any():
            return Verdict(False, f"nothing to measure with: {note if len(truth) else 'there are no held-out rows'}")
        # A few rows are repeated until they are a batch.
        taken = np.resize(np.flatnonzero(rows), self.batch)
        batch = {name: array[taken] for name, array in columns.items()}
        row = {name: array[:1] for name, array in batch.items()}
        figures = {
            "row_ms": self._medians(engines, row),
            "batch_ms": self._medians(engines, batch),
            "mib": _memory(engines, batch),
        }
        return self._judged(figures, note)

    def _medians(self, engines: Mapping[str, Engine], columns: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Median milliseconds of an answer, by engine."""
        taken: dict[str, list[float]] = {who: [] for who in engines}
        for engine in engines.values():
            engine.run(columns)
        begin, order = time.perf_counter(), list(engines)
        for done in range(self.rounds):
            if done >= LEAST_ROUNDS and time.perf_counter() - begin > self.seconds:
                break
            for who in order:
                start = time.perf_counter()
                engines[who].run(columns)
                taken[who].append(1000 * (time.perf_counter() - start))
            order.reverse()
        return {who: float(np.median(values)) for who, values in taken.items()}

    def _judged(self, figures: Mapping[str, Mapping[str, float]], note: str) -> Verdict:
        limits = {
            "row_ms": ("one row", "ms", self.row_slack_ms, self.ceiling_ms),
            "batch_ms": (f"{self.batch} rows", "ms", self.batch_slack_ms, None),
            "mib": ("memory", "MiB", self.slack_mib, self.ceiling_mib),
        }
        said, wrong = [], []
        for name, (what, unit, slack, ceiling) in limits.items():
            ours, theirs = figures[name]["candidate"], figures[name].get("incumbent")
            told = f"{what} {ours:.3g}{f' against {theirs:.3g}' if theirs is not None else ''} {unit}"
            said.append(told)
            if theirs is not None and not (ours <= theirs * (1 + self.tolerance) or ours - theirs <= slack):
                wrong.append(f"{told} (allowed: {self.tolerance:.0%} and {slack:g} {unit} more)")
            if ceiling is not None and not ours <= ceiling:
                wrong.append(f"{what} {ours:.3g} {unit} (allowed: {ceiling:g})")
        compared = "" if "incumbent" in figures["row_ms"] else f"; {note}"
        if wrong:
            hint = "train a smaller model, or allow it more in the gate's configuration"
            return Verdict(False, f"costs too much: {', '.join(wrong)}{compared}; {hint}", figures)
        return Verdict(True, f"{', '.join(said)}{compared}", figures)


def _memory(engines: Mapping[str, Engine], columns: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Mebibytes that another engine of the same servable adds to this process once it has answered, by engine.

    All are kept until the last one is measured, or it would move into what the others have left.
    """
    kept, added = [], {}
    for who, engine in engines.items():
        gc.collect()
        before = resident()
        kept.append(Engine(engine.folder))
        kept[-1].run(columns)
        added[who] = max(0.0, (resident() - before) / MEBIBYTE)
    return added


def resident() -> int:
    """Bytes of this process that lie in memory."""
    import psutil

    return int(psutil.Process().memory_info().rss)
