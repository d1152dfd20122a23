"""Runs in MLflow that have ended, as `register` reads them."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..ports import UserError
from .mlflow_store import client, one_line, shown
from .mlflow_tracking import MlflowTracker

if TYPE_CHECKING:
    from mlflow.entities import Run


class LoggedRun:
    """One run of a store.

    Args:
        tracking_uri: the store.
        run_id: the run's identifier.

    Raises:
        UserError: there is no such run.
    """

    def __init__(self, tracking_uri: str, run_id: str) -> None:
        from mlflow.exceptions import MlflowException

        self.run_id, self._uri, self._client = run_id, tracking_uri, client(tracking_uri)
        with one_line(tracking_uri):
            try:
                self._run: Run = self._client.get_run(run_id)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                raise UserError(f"there is no run {run_id} at {shown(tracking_uri)}") from None

    @property
    def status(self) -> str:
        """How it ended: `FINISHED`, `FAILED`, ...; `deleted`."""
        info = self._run.info
        return "deleted" if info.lifecycle_stage == "deleted" else str(info.status)

    @property
    def tags(self) -> Mapping[str, str]:
        """Its facts."""
        return dict(self._run.data.tags)

    @property
    def metrics(self) -> Mapping[str, float]:
        """The last value of each."""
        return dict(self._run.data.metrics)

    @cached_property
    def experiment(self) -> str:
        """The name of its experiment."""
        with one_line(self._uri):
            return str(self._client.get_experiment(self._run.info.experiment_id).name)

    def download(self, folder: Path) -> Path:
        """The servable that it kept, as a directory below `folder`.

        Raises:
            UserError: it kept none, or names one of another run.
        """
        import mlflow

        address = self._address()
        with one_line(self._uri):
            source = self._client.get_logged_model(address.removeprefix("models:/")).source_run_id
            if source != self.run_id:
                raise UserError(f"run {self.run_id} is not registered: its tag `servable` names that of run {source}")
            return Path(mlflow.artifacts.download_artifacts(artifact_uri=address, dst_path=str(folder)))

    def tracker(self, servable: Path) -> MlflowTracker:
        """The run as a Tracker that has kept the servable already."""
        return MlflowTracker(self._client, self._uri, self.run_id, {servable: self._address()})

    def _address(self) -> str:
        address = self.tags.get("servable", "")
        if not address.startswith("models:/m-"):
            raise UserError(
                f"run {self.run_id} is not registered: it kept no servable; a training with one has the tag `servable`"
            )
        return address
