"""Runs in MLflow."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..schemas.config import MlflowConfig
from .mlflow_store import client, one_line

if TYPE_CHECKING:
    from mlflow import MlflowClient

BATCH = 500
"""Metrics or parameters that one request carries."""


class MlflowTracker:
    """One run; a Tracker.

    Args:
        store: a client of it.
        tracking_uri: its address.
        run_id: the run's identifier.
        kept: addresses of servables that the run has kept already, by their directories.
    """

    def __init__(
        self, store: "MlflowClient", tracking_uri: str, run_id: str, kept: Mapping[Path, str] | None = None
    ) -> None:
        self._client, self._uri, self._run_id = store, tracking_uri, run_id
        self._servables: dict[Path, str] = dict(kept or {})

    @property
    def run_id(self) -> str:
        """The run's identifier."""
        return self._run_id

    def params(self, values: Mapping[str, object]) -> None:
        """Record parameters; a nested mapping becomes `outer.inner`."""
        from mlflow.entities import Param

        params = [Param(key, str(value)) for key, value in _flat(values).items()]
        with one_line(self._uri):
            for start in range(0, len(params), 100):
                self._client.log_batch(self._run_id, params=params[start : start + 100])

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Record metrics of one step."""
        self.curve([values], first=step)

    def curve(self, history: Sequence[Mapping[str, float]], first: int = 0) -> None:
        """Record metrics of consecutive steps, many in a request."""
        import time

        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [
            Metric(name, float(value), now, step)
            for step, values in enumerate(history, start=first)
            for name, value in values.items()
        ]
        with one_line(self._uri):
            for start in range(0, len(metrics), BATCH):
                self._client.log_batch(self._run_id, metrics=metrics[start : start + BATCH])

    def tags(self, values: Mapping[str, str]) -> None:
        """Record facts."""
        from mlflow.entities import RunTag

        with one_line(self._uri):
            self._client.log_batch(self._run_id, tags=[RunTag(key, value) for key, value in values.items()])

    def artifact(self, path: Path, folder: str = "") -> None:
        """Keep a file with the run."""
        with one_line(self._uri):
            self._client.log_artifact(self._run_id, str(path), folder or None)

    def servable(self, folder: Path) -> str:
        """Keep a servable with the run, as a model with two flavours; one that was kept before is not written again."""
        from mlflow.models import Model

        from . import mlflow_flavor

        if folder not in self._servables:
            with one_line(self._uri):
                found = self._client.get_run(self._run_id)
                entry = self._client.create_logged_model(  # by hand: MLflow would take its global experiment
                    found.info.experiment_id, "servable", self._run_id, params=found.data.params
                )
                logged = Model.log(
                    artifact_path=None,
                    flavor=mlflow_flavor,
                    run_id=self._run_id,
                    model_id=entry.model_id,
                    servable=str(folder),
                )
                self._servables[folder] = str(logged.model_uri)
            self.tags({"servable": self._servables[folder]})
        return self._servables[folder]

    def text(self, text: str, name: str) -> None:
        """Keep a text as a file with the run."""
        with one_line(self._uri):
            self._client.log_text(self._run_id, text, name)


@contextmanager
def run(config: MlflowConfig, name: str) -> Iterator[MlflowTracker]:
    """A new run of the experiment; it ends as finished, failed, or killed when interrupted."""
    store = client(config.tracking_uri)
    with one_line(config.tracking_uri):
        identifier = _experiment(store, config.experiment)
        run_id = store.create_run(identifier, run_name=name).info.run_id
    status = "FAILED"
    try:
        yield MlflowTracker(store, config.tracking_uri, run_id)
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        with one_line(config.tracking_uri):
            store.set_terminated(run_id, status)


def _experiment(store: "MlflowClient", name: str) -> str:
    """The experiment's identifier; another process may be making it too."""
    from mlflow.exceptions import MlflowException

    experiment = store.get_experiment_by_name(name)
    if experiment is None:
        try:
            return str(store.create_experiment(name))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            experiment = store.get_experiment_by_name(name)
    return str(experiment.experiment_id)


def _flat(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
