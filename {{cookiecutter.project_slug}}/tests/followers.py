"""What follows a registry in memory as a server's process does; without web code."""

from collections import Counter
from dataclasses import dataclass

from {{ cookiecutter.project_slug }}.inference.engine import Engine
from {{ cookiecutter.project_slug }}.inference.following import Following
from {{ cookiecutter.project_slug }}.inference.last_good import LastGood
from {{ cookiecutter.project_slug }}.inference.references import Resolved
from {{ cookiecutter.project_slug }}.schemas.contract import Contract

from tests.registries import FollowedRegistry

REFERENCE = "models:/house@dev"
STORE = "http://bob:hunter2@registry:5000"  # pragma: allowlist secret


@dataclass(frozen=True)
class Loaded:
    """What a server would serve."""

    resolved: Resolved
    engine: Engine

    @property
    def contract(self) -> Contract:
        return self.engine.contract

    @property
    def number(self) -> str | None:
        return self.resolved.version.version if self.resolved.version else None


def load(resolved: Resolved) -> Loaded:
    engine = Engine(resolved.folder, 1)
    engine.check_golden()
    return Loaded(resolved, engine)


class Server:
    """One process: a new one on the same folder is a restart."""

    def __init__(self, registry: FollowedRegistry, reference: str = REFERENCE) -> None:
        self.served: list[Loaded] = []
        self.results: Counter[str] = Counter()
        self.disk = LastGood(registry.cache, STORE, reference)
        self.following = Following(
            reference,
            lambda: registry,
            load,
            self.disk,
            self.served.append,
            lambda result: self.results.update([result]),
        )

    @property
    def numbers(self) -> list[str | None]:
        return [model.number for model in self.served]


def started(registry: FollowedRegistry, reference: str = REFERENCE) -> Server:
    server = Server(registry, reference)
    server.following.start()
    return server
