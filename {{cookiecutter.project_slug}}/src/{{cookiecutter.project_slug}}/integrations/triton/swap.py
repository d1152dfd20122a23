"""Brings a running server from the version that it serves to another one, or leaves it as it was.

The new version is rehearsed first: loaded under a name that no client asks for, from files in the request, and asked
its golden rows. Only then is it put into the repository, named by the model's configuration, and loaded. Triton loads
it beside the version that serves, moves clients that name no version over at once, and unloads the old one when its
last request is answered. A kill at any moment leaves a server that serves the old or the rehearsed version; another run
goes on from there.
"""

from collections.abc import Callable

from loguru import logger

from ...ports import UserError
from .placement import Placement
from .repository import ModelRepository
from .server import Server


def rehearse(server: Server, placement: Placement, role: str) -> int:
    """Have the server answer a version's golden rows beside what it serves; returns how many rows that are.

    Args:
        server: that is asked.
        placement: the version.
        role: what the rehearsal is for; two of one role must not run at the same time.

    Raises:
        UserError: the version does not load, or answers otherwise than in training.
    """
    name = f"{placement.name}~{role}"  # which can be no model's own: see placement.NAME
    server.check()
    try:
        server.load_aside(name, placement)
        return _ask(server, name, placement)
    finally:
        try:
            server.unload(name)
        except UserError as error:  # another failure may be on its way to the user
            logger.warning("{} may still be loaded: {}", name, error)


def swap(server: Server, repository: ModelRepository, placement: Placement, pause: Callable[[], None]) -> None:
    """Serve a version instead of the one before. The caller holds the repository.

    Args:
        server: that reads the repository.
        repository: of the model.
        placement: the version.
        pause: called between two steps; may raise KeyboardInterrupt.

    Raises:
        UserError: the version does not load or answers otherwise than in training; what served before serves.
    """
    name, number = placement.name, placement.number
    rows = rehearse(server, placement, "sync")
    pause()
    served, way_back = server.version(name), repository.pointer
    if served in repository.versions:  # after a kill the configuration may name a version that was not checked
        way_back = repository.config(served)
    repository.add(placement)
    pause()
    try:
        repository.point(placement.text())
        pause()
        server.load(name)
        pause()
        _ask(server, name, placement)
        pause()
    except BaseException as error:
        repository.point(way_back)
        now = _restored(server, name, served)
        if isinstance(error, UserError):
            raise UserError(f"{error}; {now}; does the server read {repository.root.resolve()}?") from None
        raise
    logger.info("{} serves version {} of {}: {} golden rows agree", server.address, number, name, rows)


def _ask(server: Server, name: str, placement: Placement) -> int:
    rows = placement.settings.max_batch_size
    where = f"{placement.name} version {placement.number} at {server.address}"
    return placement.engine.check_golden(lambda feeds: server.run(name, placement.number, feeds, rows), where)


def _restored(server: Server, name: str, served: int | None) -> str:
    """Have the server follow the repository again, and say what it serves then; a failure is on its way to the user."""
    try:
        if served is None:
            server.unload(name)
        else:
            server.load(name)
        now = server.version(name)
    except UserError as error:
        logger.warning("{}: the repository is as before, the server may not be: {}", name, error)
        return "what the server serves now is not known"
    return f"version {now} serves" if now else "nothing is served"
