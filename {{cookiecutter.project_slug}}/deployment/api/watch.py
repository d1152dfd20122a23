"""Where `served` comes from: a directory once, or a reference to the registry that is followed in a daemon thread."""

import threading
from collections.abc import Callable
from pathlib import Path

from {{ cookiecutter.project_slug }}.inference.following import Following
from {{ cookiecutter.project_slug }}.inference.last_good import LastGood
from {{ cookiecutter.project_slug }}.inference.references import Resolved, resolve
from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry
from {{ cookiecutter.project_slug }}.integrations.mlflow_store import ask_once
from {{ cookiecutter.project_slug }}.ports import Registry
from {{ cookiecutter.project_slug }}.schemas.serving import ServingConfig

from .metrics import Metrics
from .served import Served


class Watch:
    """Loads what the configuration names, and goes on looking where an alias points.

    Args:
        config: the reference, the registry, and how often it is asked.
        load: makes a model of what a reference led to.
        swap: takes each model that is to answer from now on.
        metrics: told of swaps and of the registry.

    Raises:
        UserError: the model cannot be served, and there is no last good one.
    """

    def __init__(
        self,
        config: ServingConfig,
        load: Callable[[Resolved], Served],
        swap: Callable[[Served], None],
        metrics: Metrics,
    ) -> None:
        self._seconds = config.poll_seconds
        self._stop = threading.Event()
        self.following: Following[Served] | None = None
        """None for a directory, which does not change."""
        cache = Path(config.cache_dir)

        def opened() -> Registry:
            return MlflowRegistry(config.tracking_uri, cache)

        if not config.reference.startswith("models:/"):
            swap(load(resolve(config.reference, opened)))
            return
        ask_once(config.registry_seconds)
        self.following = Following(
            config.reference,
            opened,
            load,
            LastGood(cache, config.tracking_uri, config.reference),
            swap,
            lambda result: metrics.swaps(result).inc(),
        )
        metrics.follow(lambda: self.following is not None and self.following.answers)
        self.following.start()

    def begin(self) -> None:
        """Follow from now on. The thread is a daemon: it never keeps the process from ending."""
        if self.following is not None and not self.following.done:
            self._stop.clear()
            arguments = (self._seconds, self._stop)
            threading.Thread(target=self.following.follow, args=arguments, name="following", daemon=True).start()

    def end(self) -> None:
        """Look no more."""
        self._stop.set()
