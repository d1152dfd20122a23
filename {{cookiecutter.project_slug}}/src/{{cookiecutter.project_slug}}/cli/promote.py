"""`promote`: gates → report → alias."""

from typing import TYPE_CHECKING

from ..utils.verb import run_verb

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from ..promotion.report import Report


def promote(cfg: "DictConfig") -> "Report | None":
    """Judge a version, keep the report with its run, and move `staging` or `prod` to it if every gate passes.

    Version and alias are named, or read from a release tag of this repository, which is checked first.

    Returns:
        What the gates found; None where the version holds the alias already.

    Raises:
        UserError: the move is not allowed here or not legal, or a gate refuses.
    """
    import datetime
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from loguru import logger

    from ..inference.engine import Engine
    from ..integrations.mlflow_registry import MlflowRegistry
    from ..ports import UserError
    from ..promotion.case import Case
    from ..promotion.lifecycle import Lifecycle
    from ..promotion.report import Report, judge
    from ..schemas.config import validate
    from ..schemas.promotion import PromoteConfig
    from ..utils.instantiate import build
    from .moving import load_incumbent, mover
    from .tagging import asked

    config = validate(PromoteConfig, cfg)
    with TemporaryDirectory() as folder:
        registry = MlflowRegistry(config.mlflow.tracking_uri, Path(folder))
        by = mover(config.promotion, registry)
        wish = asked(config, registry, lambda name: Lifecycle(registry, name, by))
        version, to, lifecycle = wish.version, wish.to, wish.lifecycle
        name = f"{version.name} version {version.version}"
        if wish.held:
            registry.tag(version, wish.facts)  # one that was killed may have left them out
            logger.info("{} holds {} already", name, to)
            return None
        gates = (config.promotion.staging if to == "staging" else config.promotion.prod).gates
        held = lifecycle.incumbent(version)
        try:
            candidate = Engine(registry.download(version))
        except UserError as error:
            raise UserError(f"{name} cannot be judged ({error}): train it anew") from None
        case = Case(
            version=version,
            run_status=registry.run_status(version),
            candidate=candidate,
            incumbent=load_incumbent(registry, held),
            new_major=wish.new_major,
        )
        report = Report(
            name=version.name,
            version=version.version,
            to=to,
            incumbent=held.version if held else None,
            by=by,
            at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            verdicts=judge({gate: build(node) if node else None for gate, node in gates.items()}, case),
        )
        print(report.table(), flush=True)
        kept = f"promotion/{version.version}"
        verdict = "refused" if report.refusals else "passed"
        if case.run_status in ("absent", "deleted"):
            logger.warning("the report is not kept: the run that trained {} is {}", name, case.run_status)
            registry.tag(version, {f"promotion.{to}": verdict})
        else:
            for path in report.write(Path(folder)):
                registry.attach(version, path, kept)
            registry.tag(version, {f"promotion.{to}": f"{verdict}: {kept}/{to}.md"})
        if report.refusals:
            why = "; ".join(f"{gate}: {reason}" for gate, reason in report.refusals.items())
            raise UserError(f"{name} does not become {to}: {why}")
        now = lifecycle.incumbent(version)
        if (now.version if now else None) != report.incumbent:
            raise UserError("prod moved while the gates ran: nothing was moved; ask again")
        lifecycle.promote(version, to)
        registry.tag(version, wish.facts)
    logger.info("{} holds {}; the report is in run {} under {}", name, to, version.run_id, kept)
    return report


if __name__ == "__main__":
    run_verb("promote", promote)
