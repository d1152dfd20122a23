"""`register`: a run that is logged already → checked → a version under `dev`."""

from typing import TYPE_CHECKING

from ..utils.verb import run_verb

if TYPE_CHECKING:
    from pathlib import Path

    from omegaconf import DictConfig

    from ..integrations.mlflow_registry import MlflowRegistry
    from ..integrations.mlflow_runs import LoggedRun
    from ..ports import Mover, Version


def register(cfg: "DictConfig") -> "Version":
    """Register the servable of a run under `dev`, as `train` does where the account may.

    Returns:
        The version; where the run is registered already, that one.

    Raises:
        UserError: only CI may, there is no such run, it did not finish or kept no servable, that is damaged or another
            model's, or what it was made from is not known here.
    """
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from loguru import logger

    from ..integrations.mlflow_registry import MlflowRegistry
    from ..integrations.mlflow_runs import LoggedRun
    from ..schemas.config import validate
    from ..schemas.promotion import RegisterConfig
    from .moving import mover

    config = validate(RegisterConfig, cfg)
    registry = MlflowRegistry(config.mlflow.tracking_uri)
    by = mover(config.promotion, registry, "registers a run")
    run = LoggedRun(config.mlflow.tracking_uri, config.run)
    registered = registry.registered(config.mlflow.model, run.run_id)
    if registered is not None:
        logger.info("run {} is {} version {} already", run.run_id, registered.name, registered.version)
        if not _was_cut_short(registry, registered):
            return registered
    with TemporaryDirectory() as folder:
        version = _register(run, registry, config.mlflow.model, Path(folder), registered)
    _set_dev(registry, version, by)
    return version


def _register(
    run: "LoggedRun", registry: "MlflowRegistry", model: str, folder: "Path", registered: "Version | None"
) -> "Version":
    """Look at the run and its servable, and make it a version; one that is `registered` is only described again.

    Raises:
        UserError: it is refused.
    """
    from ..inference.engine import Engine
    from ..inference.wire import InputError
    from ..ports import UserError, Version
    from ..promotion.card import CARD_FILE, summary
    from ..promotion.case import Case
    from ..promotion.gates import ProvenanceGate
    from ..schemas.resolved import CONFIG_FILE, read_resolved
    from ..utils.provenance import knows
    from .registering import version_tags

    refused = f"run {run.run_id} is not registered"
    if run.status != "FINISHED":
        raise UserError(f"{refused}: it is {run.status}, not FINISHED: train again")
    servable = run.download(folder)
    try:
        engine = Engine(servable)
        engine.check_golden()
    except (UserError, InputError) as error:
        raise UserError(f"{refused}: {error}") from None
    contract = engine.contract
    if contract.name != model:
        raise UserError(f"{refused}: it is of the model {contract.name!r}: add mlflow.model={contract.name}")
    if contract.provenance is None:
        raise UserError(f"{refused}: its contract does not say what it was made from: train again")
    text = registry.attached(Version(model, "", run.run_id, (), {}), CONFIG_FILE)
    try:
        config = read_resolved(text) if text is not None else None
    except UserError as error:
        raise UserError(f"{refused}: {error}") from None
    # as they stand in the file: who wrote it must not have this machine's environment put into them
    tags = version_tags(contract, run.experiment, run.metrics, config.mlflow.tags if config else {})
    version = Version(model, "", run.run_id, (), tags)
    case = Case(
        version=version,
        run_status=run.status,
        candidate=engine,
        incumbent=None,
        new_major=False,
        config=text,
    )
    verdict = ProvenanceGate().check(case)
    if not verdict.passed:
        raise UserError(f"{refused}: {verdict.reason}")
    commit = str(contract.provenance.commit)
    if (run.tags.get("git.commit"), run.tags.get("data.sha256")) != (commit, contract.provenance.data):
        raise UserError(f"{refused}: commit and data in its tags are not those of its servable: train again")
    if not knows(commit):
        where = "push the branch it was trained on, and start the pipeline there"  # CI's clone has that branch alone
        raise UserError(f"{refused}: commit {commit} is not in this repository: {where}")
    registry.check_target(model, contract.target.name, contract.target.kind)
    made = registered or registry.register(run.tracker(servable), servable, tags)
    facts, where = registry.run_facts(run.run_id), f"{CARD_FILE} of run {run.run_id}"
    registry.describe(made, summary(contract, config, facts, where))
    return made


def _was_cut_short(registry: "MlflowRegistry", version: "Version") -> bool:
    """Whether a process was killed before it set `dev`, and nothing newer has been registered since.

    What it had written by then is nothing, or in the history the move that it was about to make.
    """
    from ..integrations.mlflow_history import read_history
    from ..promotion.lifecycle import LIFECYCLE

    history = read_history(version.tags)
    about_to = not history or (history[-1].get("alias") == "dev" and "removed" not in history[-1])
    unfinished = about_to and "dev" not in version.aliases and LIFECYCLE not in version.tags
    return unfinished and registry.versions(version.name)[0].version == version.version


def _set_dev(registry: "MlflowRegistry", version: "Version", by: "Mover") -> None:
    from loguru import logger

    from ..ports import AliasMovedError

    try:
        registry.set_alias(version, "dev", by)
    except AliasMovedError as moved:  # a training has finished meanwhile: its version is the newest
        logger.warning("{}", moved)
    else:
        logger.info("registered {} version {} under dev: models:/{}@dev", version.name, version.version, version.name)


if __name__ == "__main__":
    run_verb("register", register)
