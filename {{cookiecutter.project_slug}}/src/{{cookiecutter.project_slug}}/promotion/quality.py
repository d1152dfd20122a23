"""The gate on quality: above a floor, and not below the incumbent on rows that neither of them was fitted on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..evaluation.bootstrap import paired_interval
from ..evaluation.heldout import read_heldout
from ..evaluation.metrics import MAIN, losses, main_metric, skill
from ..inference.wire import InputError
from ..schemas.contract import Target
from . import slices
from .case import Case, Figures, Verdict
from .unseen import answered, unseen_by_both


@dataclass(frozen=True)
class QualityGate:
    """Quality on held-out rows, and on slices of them.

    Over all rows the estimate decides, not its interval: on few rows the interval is wide, and a model that is clearly
    worse would pass. On a slice both do: the estimate is beyond the tolerance, and the interval is above 0. There are
    several slices, and fewer rows in each, so that by their estimates alone one of them would refuse most versions.

    Args:
        floor: least skill, the share of a constant prediction's error that the model removes: R² for a regression,
            McFadden's R² for a classification.
        tolerance: share by which the main metric may be worse than the incumbent's, for noise.
        rows: fewer rows than these prove nothing.
        slices: by registered model and name, groups of rows that are judged by themselves; see `SliceConfig`.
        slice_tolerance: as `tolerance`, for a slice.
        slice_rows: a slice of fewer rows is not judged, which the report says.
        resamples: of the paired bootstrap.
        confidence: of its intervals.
    """

    floor: float
    tolerance: float
    rows: int
    slices: Mapping[str, Mapping[str, Mapping[str, Any]]]
    slice_tolerance: float
    slice_rows: int
    resamples: int
    confidence: float

    def check(self, case: Case) -> Verdict:
        """Compares the main metric (rmse or log_loss) of both on the same rows."""
        engine = case.candidate
        columns, truth = read_heldout(engine.folder, engine.contract)
        if len(truth) < self.rows:
            return Verdict(False, f"{len(truth)} held-out rows are fewer than {self.rows}: hold out more (data.split)")
        target = engine.contract.target
        groups = slices.masks(self.slices.get(case.version.name) or {}, engine)
        outputs = engine.run(columns)
        ours, found = losses(target, truth, outputs), skill(target, truth, outputs)
        figures: Figures = {
            "rows": float(len(truth)),
            "skill": found,
            "candidate": main_metric(target, ours),
            "slices": {
                name: {"rows": float(mask.sum())}
                | ({"candidate": main_metric(target, ours[mask])} if mask.any() else {})
                for name, mask in groups.items()
            },
        }
        compared = self._compared(case, columns, truth, ours, groups)
        high = found >= self.floor
        said = f"skill {found:.3g} is {'above' if high else 'below'} the floor {self.floor:g}"
        reason = compared.reason if high and not compared.passed else f"{said}; {compared.reason}"
        return Verdict(high and compared.passed, reason, {**figures, **compared.figures})

    def _compared(
        self,
        case: Case,
        columns: Mapping[str, np.ndarray],
        truth: np.ndarray,
        ours: np.ndarray,
        groups: Mapping[str, np.ndarray],
    ) -> Verdict:
        """What the comparison with the incumbent says; where the incumbent allows none, the major number decides."""
        if case.incumbent is None:
            return Verdict(True, "the first to ask")
        target = case.candidate.contract.target
        number, incumbent = case.incumbent.version.version, case.incumbent.engine
        hint = f"train one that compares, or make it {case.major_release}"
        if incumbent is None or incumbent.contract.target.identity != target.identity:
            why = "does not load" if incumbent is None else "predicts another target or other classes"
            return Verdict(case.new_major, f"no comparison: version {number} {why}; {hint}")
        try:
            common = answered(incumbent, columns, unseen_by_both(case.candidate, incumbent))
        except InputError as error:
            return Verdict(case.new_major, f"no comparison: version {number} cannot run ({error}); {hint}")
        count = int(common.sum())
        if count < self.rows:
            few = f"only {count} held-out rows are new to version {number} too and answered by it"
            hint = "split by hash, or gather more rows"
            return Verdict(False, f"{few}, fewer than {self.rows}: {hint}", {"common_rows": float(count)})
        theirs = np.full(len(ours), np.nan)
        outputs = incumbent.run({name: array[common] for name, array in columns.items()})
        theirs[common] = losses(target, truth[common], outputs)
        all_rows = self._difference(target, ours[common], theirs[common])
        said = f"{_told(target, all_rows, self.confidence)} of version {number} on {count} rows"
        worse = [] if all_rows["difference"] <= self.tolerance * all_rows["incumbent"] else [said]
        of_slices: dict[str, Mapping[str, float]] = {}
        for name, mask in groups.items():
            size = int((mask & common).sum())
            if size < self.slice_rows:
                of_slices[name] = {"rows": float(size)}
                said += f"; slice {name} is too small to judge ({size} rows)"
                continue
            part = self._difference(target, ours[mask & common], theirs[mask & common])
            of_slices[name] = {"rows": float(size), **part}
            if not (part["difference"] <= self.slice_tolerance * part["incumbent"] or part["low"] <= 0):
                worse.append(f"on slice {name} {_told(target, part, self.confidence)} on {size} rows")
        reason = f"worse than the incumbent: {'; '.join(worse)}" if worse else said
        return Verdict(not worse, reason, {"common_rows": float(count), **all_rows, "slices": of_slices})

    def _difference(self, target: Target, ours: np.ndarray, theirs: np.ndarray) -> dict[str, float]:
        root = target.classes is None
        low, high = paired_interval(
            ours, theirs, root=root, resamples=self.resamples, confidence=self.confidence, seed=0
        )
        candidate, incumbent = main_metric(target, ours), main_metric(target, theirs)
        found = {"candidate": candidate, "incumbent": incumbent, "difference": candidate - incumbent}
        return found | {"low": low, "high": high}


def _told(target: Target, found: Mapping[str, float], confidence: float) -> str:
    interval = f"{confidence:.0%} interval {found['low']:+.3g} to {found['high']:+.3g}"
    difference = f"({found['difference']:+.3g}, {interval})"
    return f"{MAIN[target.kind]} {found['candidate']:.5g} against {found['incumbent']:.5g} {difference}"
