"""The gate on quality: above a floor, and not below the incumbent on rows that neither of them was fitted on."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..evaluation.heldout import read_heldout
from ..evaluation.metrics import MAIN, evaluate, skill
from ..inference.engine import Engine
from ..inference.wire import Gathered, InputError
from .case import Case, Verdict
from .unseen import unseen_by_both


@dataclass(frozen=True)
class QualityGate:
    """Quality on held-out rows.

    Args:
        floor: least skill, the share of a constant prediction's error that the model removes: R² for a regression,
            McFadden's R² for a classification.
        tolerance: share by which the main metric may be worse than the incumbent's, for noise.
        rows: fewer rows than these prove nothing.
    """

    floor: float
    tolerance: float
    rows: int

    def check(self, case: Case) -> Verdict:
        """Compares the main metric (rmse or log_loss) of both on the same rows."""
        engine = case.candidate
        columns, truth = read_heldout(engine.folder, engine.contract)
        if len(truth) < self.rows:
            return Verdict(False, f"{len(truth)} held-out rows are fewer than {self.rows}: hold out more (data.split)")
        target = engine.contract.target
        outputs = engine.run(columns)
        figures = {"rows": float(len(truth)), "skill": skill(target, truth, outputs)}
        if not figures["skill"] >= self.floor:
            return Verdict(False, f"skill {figures['skill']:.3g} is below the floor {self.floor:g}", figures)
        found = f"skill {figures['skill']:.3g} is above the floor {self.floor:g}"
        if case.incumbent is None:
            return Verdict(True, f"{found}; the first to ask", figures)
        number, incumbent = case.incumbent.version.version, case.incumbent.engine
        if incumbent is None or incumbent.contract.target.identity != target.identity:
            why = "does not load" if incumbent is None else "predicts another target or other classes"
            return Verdict(case.new_major, f"{found}; no comparison: version {number} {why}", figures)
        try:
            common, theirs = _answered(incumbent, columns, unseen_by_both(engine, incumbent))
        except InputError as error:
            return Verdict(case.new_major, f"{found}; no comparison: version {number} cannot run ({error})", figures)
        figures["common_rows"] = float(common.sum())
        if common.sum() < self.rows:
            few = f"only {int(common.sum())} held-out rows are new to version {number} too and answered by it"
            hint = "split by hash, or gather more rows"
            return Verdict(case.new_major, f"{found}; {few}, fewer than {self.rows}: {hint}", figures)
        main = MAIN[target.kind]
        figures["candidate"] = evaluate(target, truth[common], {k: v[common] for k, v in outputs.items()})[main]
        figures["incumbent"] = evaluate(target, truth[common], theirs)[main]
        said = f"{main} {figures['candidate']:.5g} against {figures['incumbent']:.5g} of version {number}"
        said += f" on {int(common.sum())} rows"
        if not figures["candidate"] <= figures["incumbent"] * (1 + self.tolerance):
            return Verdict(False, f"worse than the incumbent: {said}", figures)
        return Verdict(True, f"skill {figures['skill']:.3g}; {said}", figures)


def _answered(
    incumbent: Engine, columns: Mapping[str, np.ndarray], rows: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Those of the rows that the incumbent answers, as a mask `[N]`, and its answers to them.

    A candidate may take what the incumbent refuses, such as a gap in a column that had none before.

    Raises:
        InputError: the incumbent needs a column that the rows lack.
    """
    refused = Gathered()
    feeds = incumbent.encode(columns, refused)
    incumbent.run_encoded(feeds, refused)
    answered = rows.copy()
    answered[list(refused.reasons)] = False
    return answered, incumbent.run_encoded({name: array[answered] for name, array in feeds.items()})
