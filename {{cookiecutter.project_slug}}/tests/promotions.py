"""Versions of `house` in the working directory's store, and their promotion by CI."""

import mlflow

from {{ cookiecutter.project_slug }}.cli.promote import promote
from {{ cookiecutter.project_slug }}.integrations import mlflow_tracking
from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry
from {{ cookiecutter.project_slug }}.ports import Mover
from {{ cookiecutter.project_slug }}.schemas.config import MlflowConfig
from {{ cookiecutter.project_slug }}.schemas.resolved import CONFIG_FILE

from tests.candidates import CONFIG, PROVENANCE, write_candidate
from tests.project import composed, store

HOUSE = ["mlflow.model=house", "promotion.ci=woodpecker"]


def register(folder, *, ends_well: bool = True, uri: str | None = None):
    """Register a servable as `train` does, in the working directory's store or another, and return its version."""
    uri = uri or store()
    tags = {"data.sha256": PROVENANCE["data"], "git.commit": PROVENANCE["commit"], "test/rmse": "5.1"}
    config = MlflowConfig(tracking_uri=uri, experiment="house", model="house", register=True, tags={})
    opened = MlflowRegistry(uri)
    with mlflow_tracking.run(config, "hand-made") as run:
        run.text(CONFIG, CONFIG_FILE)
        version = opened.register(run, folder, tags)
        opened.set_alias(version, "dev", Mover(f"run {run.run_id}"))
    if not ends_well:
        mlflow.MlflowClient(uri).set_terminated(version.run_id, "FAILED")
    return version


def aliases() -> dict[str, str]:
    found = mlflow.MlflowClient(store()).get_registered_model("house").aliases
    return {alias: str(number) for alias, number in found.items()}


def to(alias: str, number: int, *overrides: str):
    return promote(composed("promote", f"version={number}", f"to={alias}", *(overrides or HOUSE)))


def incumbent(project) -> None:
    """Version 1, good, through staging to prod, without the gate that starts a service."""
    register(write_candidate(project / "v1", bias=1.0))
    for alias in ("staging", "prod"):
        to(alias, 1, *HOUSE, f"promotion.{alias}.gates.deployable=null")
