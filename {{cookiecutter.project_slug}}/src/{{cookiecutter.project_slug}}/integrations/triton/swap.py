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
    name = f"{placement.name}.{role}"
    server.check()
    try:
        server.load_aside(name, placement)
        return _ask(server, name, placement)
    finally:
        _tell(server.unload, name, "the rehearsal may still be loaded")


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
        told = server.unload if served is None else server.load
        _tell(told, name, "the repository is as before, the server may not be")
        if isinstance(error, UserError):
            back = f"version {served} serves on" if served else "nothing is served"
            raise UserError(f"{error}; {back}; does the server read {repository.root.resolve()}?") from None
        raise
    logger.info("{} serves version {} of {}: {} golden rows agree", server.address, number, name, rows)


def _ask(server: Server, name: str, placement: Placement) -> int:
    rows = placement.settings.max_batch_size
    where = f"{placement.name} version {placement.number} at {server.address}"
    return placement.engine.check_golden(lambda feeds: server.run(name, placement.number, feeds, rows), where)


def _tell(server: Callable[[str], None], name: str, otherwise: str) -> None:
    """Tell the server something about a model; where that fails, another failure is on its way to the user."""
    try:
        server(name)
    except UserError as error:
        logger.warning("{}: {}: {}", name, otherwise, error)
