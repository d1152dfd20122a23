"""What the verbs that move aliases share: who asks, and what stands in the way."""

import getpass
import os

from ..inference.engine import Engine
from ..inference.wire import InputError
from ..ports import Registry, UserError, Version
from ..promotion.case import Incumbent
from ..schemas.promotion import PromotionConfig


def mover(config: PromotionConfig, registry: Registry) -> str:
    """Who moves the alias, for the version's history.

    Raises:
        UserError: only CI may, and this is not CI.
    """
    if config.in_ci:
        return f"CI ({config.ci})"
    if not registry.embedded:
        raise UserError("only CI moves staging and prod on a shared registry: start its pipeline")
    if not config.by_hand:
        raise UserError("only CI moves staging and prod; on this embedded store add promotion.by_hand=true")
    try:
        return f"{getpass.getuser()}, by hand"
    except (KeyError, OSError):  # a container's user may have no name
        return f"user {os.getuid()}, by hand"


def load_incumbent(registry: Registry, held: Version | None) -> Incumbent | None:
    """The incumbent with its servable, as far as that loads."""
    if held is None:
        return None
    try:
        return Incumbent(held, Engine(registry.download(held)))
    except (UserError, InputError) as error:
        return Incumbent(held, None, str(error))
