"""What the verbs that move aliases share: who asks, and what stands in the way."""

import getpass
import os

from ..inference.engine import Engine
from ..inference.wire import InputError
from ..integrations.mlflow_store import ForbiddenError
from ..ports import Mover, Registry, UnreachableError, UserError, Version
from ..promotion.case import Incumbent
from ..promotion.lifecycle import Lifecycle
from ..promotion.releasable import last_release
from ..promotion.turns import Turns
from ..schemas.promotion import PromotionConfig


def mover(config: PromotionConfig, registry: Registry, what: str = "moves staging and prod") -> Mover:
    """Who moves the alias, for the version's history.

    Args:
        config: who may.
        registry: where.
        what: CI alone does, in an error.

    Raises:
        UserError: only CI may, and this is not CI.
    """
    if config.in_ci:
        return Mover(f"CI ({config.ci})", config.pipeline, config.commit)
    if not registry.embedded:
        raise UserError(f"only CI {what} on a shared registry: start its pipeline")
    if not config.by_hand:
        raise UserError(f"only CI {what}; on this embedded store add promotion.by_hand=true")
    try:
        return Mover(f"{getpass.getuser()}, by hand")
    except (KeyError, OSError):  # a container's user may have no name
        return Mover(f"user {os.getuid()}, by hand")


def open_lifecycle(config: PromotionConfig, registry: Registry, name: str) -> Lifecycle:
    """The lifecycle of a registered model, for whoever runs this.

    Raises:
        UserError: only CI may move its aliases, and this is not CI.
    """
    return Lifecycle(registry, name, mover(config, registry), Turns(registry, name, config.lease_seconds))


def load_incumbent(registry: Registry, held: Version | None) -> Incumbent | None:
    """The incumbent with its servable, as far as that loads.

    Raises:
        UnreachableError: the registry does not answer.
        ForbiddenError: the account may not read it.
    """
    if held is None:
        return None
    engine, last = load(registry, held), last_release(held, registry.versions(held.name))
    major = last[1].major if last else None
    if isinstance(engine, str):
        return Incumbent(held, None, engine, major)
    return Incumbent(held, engine, major=major)


def load(registry: Registry, version: Version) -> Engine | str:
    """A version's servable; where it does not load, why.

    Raises:
        UnreachableError: the registry does not answer.
        ForbiddenError: the account may not read it.
    """
    try:
        return Engine(registry.download(version))
    except (UnreachableError, ForbiddenError):  # which says nothing about the version
        raise
    except (UserError, InputError) as error:
        return str(error)
