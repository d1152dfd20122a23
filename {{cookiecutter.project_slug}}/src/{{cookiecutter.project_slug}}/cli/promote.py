"""`promote`: gates → report → alias."""

from typing import TYPE_CHECKING

from ..utils.verb import run_verb

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from omegaconf import DictConfig

    from ..inference.engine import Engine
    from ..ports import Registry, Version
    from ..promotion.case import Case, Gate, Verdict
    from ..promotion.report import Report
    from ..schemas.groups import Component
    from .tagging import Asked

GONE = ("absent", "deleted")
"""States of a run that keeps nothing."""


def promote(cfg: "DictConfig") -> "Report | None":
    """Judge a version, keep the report with its run, and move `staging` or `prod` to it if every gate passes.

    Version and alias are named, or read from a release tag of this repository, which is checked first.

    Returns:
        What the gates found; None where the version holds the alias already.

    Raises:
        UserError: the move is not allowed here or not legal, a gate refuses, or an alias moved meanwhile.
    """
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from loguru import logger

    from ..integrations.mlflow_registry import MlflowRegistry
    from ..ports import UserError
    from ..promotion.report import judge, not_asked
    from ..schemas.config import validate
    from ..schemas.promotion import PromoteConfig
    from .moving import load, open_lifecycle
    from .tagging import asked

    config = validate(PromoteConfig, cfg)
    with TemporaryDirectory() as folder:
        registry = MlflowRegistry(config.mlflow.tracking_uri, Path(folder))
        wish = asked(config, registry, lambda model: open_lifecycle(config.promotion, registry, model))
        version, to, lifecycle = wish.version, wish.to, wish.lifecycle
        name = f"{version.name} version {version.version}"
        if wish.held:
            lifecycle.finish(version, to)
            registry.tag(version, wish.facts)  # whoever gave it the alias by its number left them out
            logger.info("{} holds {} already", name, to)
            return None
        held = lifecycle.held(to)
        gates = (config.promotion.staging if to == "staging" else config.promotion.prod).gates
        status, incumbent = registry.run_status(version), lifecycle.incumbent(version)
        candidate = load(registry, version)
        case = None if isinstance(candidate, str) else _case(wish, candidate, incumbent, status, registry)
        verdicts = not_asked(_built(gates), str(candidate)) if case is None else judge(_built(gates), case)
        report = _report(wish, verdicts, incumbent)
        print(report.table(), flush=True)
        kept = _keep(report, version, status, case, registry, Path(folder))
        if case is None:
            raise UserError(f"{name} cannot be judged ({candidate}): train it anew")
        if report.refusals:
            why = "; ".join(f"{gate}: {reason}" for gate, reason in report.refusals.items())
            raise UserError(f"{name} does not become {to}: {why}")
        lifecycle.promote(version, to, held, report=kept, release=wish.release.name if wish.release else None)
    where = f"in run {version.run_id} at {kept}" if kept else "not kept"
    logger.info("{} holds {}; the report is {}", name, to, where)
    return report


def _case(wish: "Asked", candidate: "Engine", incumbent: "Version | None", status: str, registry: "Registry") -> "Case":
    """The version with its servable, beside the incumbent."""
    from ..promotion.case import Case
    from ..schemas.resolved import CONFIG_FILE
    from .moving import load_incumbent

    version = wish.version
    return Case(
        version=version,
        run_status=status,
        candidate=candidate,
        incumbent=load_incumbent(registry, incumbent),
        new_major=wish.new_major,
        config=None if status in GONE else registry.attached(version, CONFIG_FILE),
    )


def _built(gates: "Mapping[str, Component | None]") -> "dict[str, Gate | None]":
    from ..utils.instantiate import build

    return {gate: build(node) if node else None for gate, node in gates.items()}


def _report(wish: "Asked", verdicts: "Mapping[str, Verdict]", incumbent: "Version | None") -> "Report":
    """What every gate of the alias says."""
    import datetime

    from ..promotion.report import Report

    return Report(
        name=wish.version.name,
        version=wish.version.version,
        to=wish.to,
        incumbent=incumbent.version if incumbent else None,
        by=wish.lifecycle.mover.by,
        at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        verdicts=verdicts,
    )


def _keep(
    report: "Report", version: "Version", status: str, case: "Case | None", registry: "Registry", folder: "Path"
) -> str | None:
    """Keep the report with the version's run, and name it in a tag; the model card too, where a case was judged.

    Returns:
        Where in the run it is; None where the run is gone.
    """
    from loguru import logger

    verdict = "refused" if report.refusals else "passed"
    if status in GONE:
        gone = f"the run that trained {version.name} version {version.version} is {status}"
        logger.warning("the report is not kept: {}", gone)
        registry.tag(version, {f"promotion.{report.to}": verdict})
        return None
    kept = f"promotion/{version.version}"
    cards = [_card(report, case, registry, folder)] if case else []
    for path in (*report.write(folder), *cards):
        registry.attach(version, path, kept)
    registry.tag(version, {f"promotion.{report.to}": f"{verdict}: {kept}/{report.to}.md"})
    return f"{kept}/{report.to}.md"


def _card(report: "Report", case: "Case", registry: "Registry", folder: "Path") -> "Path":
    """The version's model card with what the gates found; its description says where the card will be."""
    from ..ports import UserError
    from ..promotion.card import CARD_FILE, card, summary
    from ..schemas.resolved import read_resolved

    version, contract = case.version, case.candidate.contract
    run = registry.run_facts(str(version.run_id))
    try:
        trained = read_resolved(case.config) if case.config else None
    except UserError:  # the gate on provenance has said so
        trained = None
    path = folder / CARD_FILE
    path.write_text(card(contract, trained, run, version=version.version, report=report), encoding="utf-8")
    where = f"promotion/{version.version}/{CARD_FILE} of run {version.run_id}"
    registry.describe(version, summary(contract, trained, run, where))
    return path


if __name__ == "__main__":
    run_verb("promote", promote)
