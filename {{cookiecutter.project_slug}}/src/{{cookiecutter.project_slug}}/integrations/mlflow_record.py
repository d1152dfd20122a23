"""What a run of MLflow recorded, read whole."""

from ..ports import RunRecord, UserError, Version
from .mlflow_store import client, one_line, shown

CONFIG_FILE = "config.yaml"


def read_run(tracking_uri: str, version: Version) -> RunRecord:
    """The record of the run that trained a version.

    Raises:
        UnreachableError: the store does not answer.
        UserError: the run is deleted, or was never there.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    name = f"{version.name} version {version.version}"
    store = client(tracking_uri)
    with one_line(tracking_uri):
        try:
            run = store.get_run(version.run_id) if version.run_id is not None else None
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            run = None
        if run is None or run.info.lifecycle_stage == "deleted":
            gone = "has no run" if run is None else f"comes from run {version.run_id}, which is deleted"
            raise UserError(f"{name} {gone} at {shown(tracking_uri)}: what it was made from went with it")
        kept = {artifact.path for artifact in store.list_artifacts(version.run_id)}
        text = mlflow.artifacts.load_text(f"runs:/{version.run_id}/{CONFIG_FILE}") if CONFIG_FILE in kept else None
    return RunRecord(metrics=dict(run.data.metrics), tags=dict(run.data.tags), config=text)
