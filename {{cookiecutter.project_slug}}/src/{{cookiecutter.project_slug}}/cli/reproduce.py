"""`reproduce`: refits a version from what was recorded of it, and says whether the same came out."""

from typing import TYPE_CHECKING

from ..utils.verb import run_verb

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from ..reproduction.report import Report


def reproduce(cfg: "DictConfig") -> "Report":
    """Refit a registered version in a clean worktree of its commit, without its stored model, and compare the two.

    Returns:
        The comparison, which report.json in the verb's folder below `outputs/` holds, too.

    Raises:
        UserError: not enough is recorded, the commit, the lock or the raw bytes are not to be had, the training fails,
            or more differs than `tolerance`.
    """
    import json
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from hydra.core.hydra_config import HydraConfig
    from loguru import logger

    from ..integrations.mlflow_registry import MlflowRegistry
    from ..ports import UserError
    from ..reproduction.checkout import checked_out
    from ..reproduction.comparison import compare
    from ..reproduction.environment import environment_for
    from ..reproduction.raw import FolderStore, find_raw
    from ..reproduction.recipe import read_recipe
    from ..reproduction.refit import Workshop
    from ..reproduction.report import Report
    from ..schemas.config import validate
    from ..schemas.reproduce import ReproduceConfig
    from ..schemas.resolved import CONFIG_FILE
    from ..utils import provenance
    from ..utils.instantiate import build

    config = validate(ReproduceConfig, cfg)
    registry = MlflowRegistry(config.mlflow.tracking_uri)
    version = registry.find(config.named)
    if version.run_id is None or (status := registry.run_status(version)) in ("absent", "deleted"):
        gone = "has no run" if version.run_id is None else f"comes from run {version.run_id}, which is {status}"
        raise UserError(f"{version.name} version {version.version} {gone}: what it was made from went with it")
    run = registry.run_facts(version.run_id)
    recipe = read_recipe(version, run.tags, registry.attached(version, CONFIG_FILE))
    stores = {name: build(node) for name, node in config.stores.items() if node is not None}
    if config.data_store is not None:
        stores = {"data_store": FolderStore(config.data_store)} | stores
    output = Path(HydraConfig.get().runtime.output_dir) if HydraConfig.initialized() else Path("outputs/reproduce")
    output.mkdir(parents=True, exist_ok=True)

    with TemporaryDirectory(prefix="reproduce-") as home:
        shop = Workshop(Path(home).resolve(), output / "refit.log")
        with checked_out(recipe.commit, shop.checkout):
            logger.info("commit {} is checked out in {}", recipe.commit[:12], shop.checkout)
            here = provenance.system()
            environment = environment_for(recipe, config.environment, here, shop.checkout, shop.run)
            logger.info("the refit runs in {}", environment.why)
            raw, where = find_raw(recipe.table, stores, shop.checkout, lambda: shop.fetch(recipe, environment.python))
            logger.info("the raw table {} is found in: {}", raw.name, where)
            refitted, servable = shop.train(recipe, environment.python, raw)
        # the stored model comes onto this machine only now that there is nothing left to be fitted
        with TemporaryDirectory() as downloads:
            registered = MlflowRegistry(config.mlflow.tracking_uri, Path(downloads)).download(version)
            found = compare(run, registered, refitted, servable)
    report = Report(version.name, version.version, recipe.commit, environment.why, where, config.tolerance, found)
    document = json.dumps(report.document(), indent=1, ensure_ascii=False)
    (output / "report.json").write_text(document + "\n", encoding="utf-8")
    print(document if config.format == "json" else report.table(), flush=True)
    if report.verdict == "differs":
        raise UserError(f"{report.title}; {found}")
    return report


if __name__ == "__main__":
    run_verb("reproduce", reproduce)
