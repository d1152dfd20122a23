"""Gates that look at the servable itself: its contract, its answers, where it came from."""

from dataclasses import dataclass

from ..evaluation.heldout import HELDOUT_FILE, read_heldout, read_predictions
from ..inference.engine import GOLDEN_FILE
from ..inference.parity import disagreement
from ..schemas.compatibility import incompatibility
from ..schemas.contract import GRAPH_FILE
from ..schemas.resolved import CONFIG_FILE, config_digest, read_resolved
from .case import Case, Verdict

FILES = (GRAPH_FILE, GOLDEN_FILE, HELDOUT_FILE, "reference.json")
"""What a servable holds beside its contract."""


@dataclass(frozen=True)
class ContractGate:
    """The contract is complete, and clients of the incumbent can call the candidate unchanged."""

    def check(self, case: Case) -> Verdict:
        """Names what is absent, or the first thing that clients would stumble over."""
        contract, name = case.candidate.contract, case.version.name
        lacking = [file for file in FILES if file not in contract.digests]
        lacking += [part for part in ("targets", "split", "opsets") if not getattr(contract, part)]
        if lacking:
            return Verdict(False, f"the contract does not cover {lacking[0]}: train with this project's code")
        if contract.name != name:
            return Verdict(False, f"the contract is that of {contract.name!r}, not of {name!r}")
        complete = f"complete: {len(contract.inputs)} inputs"
        if case.incumbent is None:
            return Verdict(True, f"{complete}; nothing to be compatible with")
        number = case.incumbent.version.version
        if case.new_major:
            return Verdict(True, f"{complete}; a new major release, so clients of version {number} must change")
        hint = f"when clients are told, make it {case.major_release}"
        if case.incumbent.engine is None:
            return Verdict(False, f"version {number} cannot be compared with ({case.incumbent.problem}): {hint}")
        broken = incompatibility(contract, case.incumbent.engine.contract)
        if broken and broken.endswith("may no longer be missing"):
            hint = f"set its `missing: true` in config/data/; or {hint}"
        if broken:
            return Verdict(False, f"not compatible with version {number}: {broken}; {hint}")
        return Verdict(True, f"{complete}; compatible with version {number}")


@dataclass(frozen=True)
class ParityGate:
    """Golden and held-out rows are answered as the training framework did, on values."""

    def check(self, case: Case) -> Verdict:
        """Counts the rows that are off by more than the contract's tolerance."""
        engine = case.candidate
        engine.check_golden()
        columns, _ = read_heldout(engine.folder, engine.contract)
        wanted = read_predictions(engine.folder, engine.contract)
        if not len(next(iter(columns.values()))):
            return Verdict(False, "the servable holds no held-out rows: train again with some (data.split)")
        off = disagreement(engine.run(columns), wanted, engine.contract.target)
        figures = {"rows": float(len(off)), "worst": float(off.max(initial=0.0))}
        if (off > 1).any():
            wrong = f"{int((off > 1).sum())} of {len(off)} held-out rows differ from the training framework's answers"
            return Verdict(False, f"{wrong}, by up to {figures['worst']:.3g} times the tolerance", figures)
        reason = f"golden rows and {len(off)} held-out rows agree; the worst by {figures['worst']:.2g} of the tolerance"
        return Verdict(True, reason, figures)


@dataclass(frozen=True)
class ProvenanceGate:
    """What the version was made from is known, so that it can be made again."""

    def check(self, case: Case) -> Verdict:
        """Names what was not recorded."""
        made_from = case.candidate.contract.provenance
        if made_from is None or made_from.commit is None:
            return Verdict(False, "trained outside a git repository with a commit: commit the project, and train again")
        if made_from.dirty is None:
            return Verdict(False, "trained where git could not say whether all was committed: train again")
        if made_from.dirty:
            return Verdict(False, "trained with uncommitted changes: commit them, and train again")
        if made_from.lock is None:
            return Verdict(False, "trained without uv.lock: run `make setup`, commit uv.lock, and train again")
        if case.run_status != "FINISHED":
            return Verdict(False, f"the run that trained it is {case.run_status}, not FINISHED: train again")
        if case.config is None:
            return Verdict(False, f"the run that trained it keeps no {CONFIG_FILE}: train again")
        if config_digest(read_resolved(case.config)) != made_from.config:
            return Verdict(False, f"the run's {CONFIG_FILE} is not the configuration of its contract: train again")
        said = case.version.tags.get("data.sha256"), case.version.tags.get("git.commit")
        if said != (made_from.data, made_from.commit):
            return Verdict(False, "data and commit in the version's tags are not those of its contract")
        recorded = f"commit {made_from.commit[:8]}, clean tree, lock, configuration, and data {made_from.data[:8]}"
        return Verdict(True, f"{recorded} are recorded")
