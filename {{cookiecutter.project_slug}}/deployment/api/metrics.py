"""What Prometheus reads at `/metrics`."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest

from {{ cookiecutter.project_slug }}.inference.following import Result

from .exchange import Exchange, Reason

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds of the histograms."""
IDENTITY = ("name", "version", "alias")


class Metrics:
    """The metrics of one application.

    Args:
        in_flight: asked at each reading: requests that are worked on.
    """

    def __init__(self, in_flight: Callable[[], float]) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        labels = ["route", "status"]
        requests = Counter("serving_requests", "Requests that were answered.", labels, registry=registry)
        seconds = Histogram(
            "serving_request_seconds", "From the request's head to the end of its answer.", ["route"],
            buckets=SECONDS, registry=registry,
        )  # fmt: skip
        refusals = Counter("serving_refusals", "Requests that were turned down.", ["reason"], registry=registry)
        inference = Histogram(
            "serving_inference_seconds", "The model alone, for all rows of a request.", ["where"],
            buckets=SECONDS, registry=registry,
        )  # fmt: skip
        swaps = Counter("serving_swaps", "Versions that the reference led to.", ["result"], registry=registry)
        self.rows = Counter("serving_rows", "Rows that were predicted.", registry=registry)
        self._info = Info("serving_model", "What answers.", registry=registry)
        self._up = Gauge("serving_registry_up", "Whether the registry answered when last asked.", registry=registry)
        Gauge("serving_in_flight", "Requests that are worked on.", registry=registry).set_function(in_flight)
        # a look-up by labels costs as much as the counting: each child is looked up once
        self._requests = cache(lambda route, status: requests.labels(route, status))
        self._seconds = cache(seconds.labels)
        self._refusals = cache(refusals.labels)
        self.inference = cache(inference.labels)
        self.swaps = cache(swaps.labels)
        # from 0: Prometheus sees no increase in what begins with its first event
        for children, names in ((self._refusals, get_args(Reason)), (self.swaps, get_args(Result))):
            for name in names:
                children(name)

    def request(self, exchange: Exchange, seconds: float) -> None:
        """Count one request."""
        self._requests(exchange.route, exchange.status).inc()
        self._seconds(exchange.route).observe(seconds)
        if exchange.reason is not None:
            self._refusals(exchange.reason).inc()

    def model(self, identity: Mapping[str, str | None]) -> None:
        """Say what answers from now on."""
        self._info.info({key: identity[key] or "" for key in IDENTITY})

    def follow(self, answers: Callable[[], float]) -> None:
        """Ask at each reading whether the registry answers."""
        self._up.set_function(answers)

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self.registry)
