"""The gate on quality: above a floor, and not below the incumbent on rows that neither of them was fitted on."""

from dataclasses import dataclass

import numpy as np

from ..evaluation.heldout import read_heldout
from ..evaluation.metrics import MAIN, evaluate, skill
from ..inference.engine import Engine
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
        if figures["skill"] < self.floor:
            return Verdict(False, f"skill {figures['skill']:.3g} is below the floor {self.floor:g}", figures)
        reason = f"skill {figures['skill']:.3g} is above the floor {self.floor:g}"
        if case.incumbent is None or case.new_major:
            why = "a new major release" if case.new_major else "the first to ask"
            return Verdict(True, f"{reason}; compared with nothing: {why}", figures)
        if case.incumbent.engine is None:
            return Verdict(False, f"{reason}; version {case.incumbent.version.version} does not load", figures)
        return self._compare(case.incumbent.engine, case, columns, truth, outputs, figures)

    def _compare(
        self,
        incumbent: Engine,
        case: Case,
        columns: dict[str, np.ndarray],
        truth: np.ndarray,
        outputs: dict[str, np.ndarray],
        figures: dict[str, float],
    ) -> Verdict:
        assert case.incumbent is not None
        number, target = case.incumbent.version.version, case.candidate.contract.target
        if incumbent.contract.target.identity != target.identity:
            return Verdict(False, f"version {number} predicts another target or other classes", figures)
        common = unseen_by_both(case.candidate, incumbent)
        figures |= {"common_rows": float(common.sum())}
        if common.sum() < self.rows:
            few = f"only {int(common.sum())} held-out rows are new to version {number} too, fewer than {self.rows}"
            return Verdict(False, f"{few}: split by hash, or set promotion.new_major=true", figures)
        main = MAIN[target.kind]
        theirs = incumbent.run({name: values[common] for name, values in columns.items()})
        figures["candidate"] = evaluate(target, truth[common], {k: v[common] for k, v in outputs.items()})[main]
        figures["incumbent"] = evaluate(target, truth[common], theirs)[main]
        said = f"{main} {figures['candidate']:.5g} against {figures['incumbent']:.5g} of version {number}"
        said += f" on {int(common.sum())} rows"
        if figures["candidate"] > figures["incumbent"] * (1 + self.tolerance):
            return Verdict(False, f"worse than the incumbent: {said}", figures)
        return Verdict(True, f"skill {figures['skill']:.3g}; {said}", figures)
