"""`promote`: gates → report → alias."""

from typing import TYPE_CHECKING

from ..utils.verb import run_verb

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from omegaconf import DictConfig

    from ..ports import Registry
    from ..promotion.case import Case
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
    from ..schemas.config import validate
    from ..schemas.promotion import PromoteConfig
    from .moving import open_lifecycle
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
        case = _case(wish, registry)
        gates = (config.promotion.staging if to == "staging" else config.promotion.prod).gates
        report = _judge(gates, case, to, lifecycle.mover.by)
        print(report.table(), flush=True)
        kept = _keep(report, case, registry, Path(folder))
        if report.refusals:
            why = "; ".join(f"{gate}: {reason}" for gate, reason in report.refusals.items())
            raise UserError(f"{name} does not become {to}: {why}")
        lifecycle.promote(version, to, held, report=kept, release=wish.release.name if wish.release else None)
    where = f"in run {version.run_id} at {kept}" if kept else "not kept"
    logger.info("{} holds {}; the report is {}", name, to, where)
    return report


def _case(wish: "Asked", registry: "Registry") -> "Case":
    """The version with its servable, beside the incumbent."""
    from ..inference.engine import Engine
    from ..ports import UserError
    from ..promotion.case import Case
    from ..schemas.resolved import CONFIG_FILE
    from .moving import load_incumbent

    version = wish.version
    try:
        candidate = Engine(registry.download(version))
    except UserError as error:
        raise UserError(f"{version.name} version {version.version} cannot be judged ({error}): train it anew") from None
    status = registry.run_status(version)
    return Case(
        version=version,
        run_status=status,
        candidate=candidate,
        incumbent=load_incumbent(registry, wish.lifecycle.incumbent(version)),
        new_major=wish.new_major,
        config=None if status in GONE else registry.attached(version, CONFIG_FILE),
    )


def _judge(gates: "Mapping[str, Component | None]", case: "Case", to: str, by: str) -> "Report":
    """What every gate of the alias says."""
    import datetime

    from ..promotion.report import Report, judge
    from ..utils.instantiate import build

    return Report(
        name=case.version.name,
        version=case.version.version,
        to=to,
        incumbent=case.incumbent.version.version if case.incumbent else None,
        by=by,
        at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        verdicts=judge({gate: build(node) if node else None for gate, node in gates.items()}, case),
    )


def _keep(report: "Report", case: "Case", registry: "Registry", folder: "Path") -> str | None:
    """Keep the report with the version's run, and name it in a tag.

    Returns:
        Where in the run it is; None where the run is gone.
    """
    from loguru import logger

    version, verdict = case.version, "refused" if report.refusals else "passed"
    if case.run_status in GONE:
        gone = f"the run that trained {version.name} version {version.version} is {case.run_status}"
        logger.warning("the report is not kept: {}", gone)
        registry.tag(version, {f"promotion.{report.to}": verdict})
        return None
    kept = f"promotion/{version.version}"
    for path in (*report.write(folder), _card(report, case, registry, folder)):
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
