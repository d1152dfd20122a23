"""`triton`: writes a version into a Triton model repository, and has a running server serve it."""

from typing import TYPE_CHECKING, NoReturn

from ..ports import UserError
from ..utils.verb import run_verb

if TYPE_CHECKING:
    from pathlib import Path

    from omegaconf import DictConfig

    from ..inference.references import Resolved
    from ..schemas.triton import TritonConfig, TritonSettings


def triton(cfg: "DictConfig") -> "Path":
    """Put what `reference` means into `repository`; with `sync` the server serves it, or what it served before.

    With `poll_seconds` that goes on until a signal ends it, and the version is always the one that the alias names.

    Returns:
        The version's folder in the model repository.

    Raises:
        UserError: the version cannot be served by Triton, or the server does not answer as training did.
    """
    from ..schemas.config import validate
    from ..schemas.triton import TritonConfig, TritonSettings

    config = validate(TritonConfig, cfg)
    settings = TritonSettings(**config.model_dump(include=set(TritonSettings.model_fields)))
    if config.poll_seconds is not None:
        _follow(config, settings, config.poll_seconds)
    return _place(config, settings)


def _follow(config: "TritonConfig", settings: "TritonSettings", seconds: float) -> NoReturn:
    import time

    from ..integrations.mlflow_registry import MlflowRegistry
    from ..integrations.triton.following import Following
    from ..integrations.triton.server import Server

    name = config.reference.removeprefix("models:/").partition("@")[0]
    registry = MlflowRegistry(config.mlflow.tracking_uri)
    following = Following(
        lambda: int(registry.find(config.reference).version),
        lambda: Server.of(settings).version(name),
        lambda: _place(config, settings),
    )
    while True:
        following.look()
        time.sleep(seconds)


def _place(config: "TritonConfig", settings: "TritonSettings") -> "Path":
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from loguru import logger

    from ..inference.engine import Engine
    from ..inference.references import resolve
    from ..integrations.mlflow_registry import MlflowRegistry
    from ..integrations.triton.placement import Placement
    from ..integrations.triton.repository import ModelRepository
    from ..integrations.triton.server import Server
    from ..integrations.triton.swap import swap
    from ..utils.interruption import held_back

    with TemporaryDirectory() as downloads:
        uri = config.mlflow.tracking_uri
        resolved = resolve(config.reference, lambda: MlflowRegistry(uri, Path(downloads)))
        number = _number(config, resolved)
        placement = Placement(Engine(resolved.folder), number, settings)
        repository = ModelRepository(Path(config.repository), placement.name)
        with held_back() as interruption, repository.locked():
            if config.sync:
                swap(Server.of(settings), repository, placement, interruption)
            else:
                repository.add(placement)
                repository.point(placement.text())
            gone = repository.prune(config.keep, number)
    folder = Path(config.repository) / placement.name / str(number)
    logger.info("{} holds {}{}", folder, config.reference, f"; removed versions {gone}" if gone else "")
    return folder


def _number(config: "TritonConfig", resolved: "Resolved") -> int:
    """The registry's number of the version, or the one that is given for a directory."""
    if resolved.version is not None and config.version is None:
        return int(resolved.version.version)
    if resolved.version is None and config.version is not None:
        return config.version
    hint = "add version=<number>" if config.version is None else "leave version out, since the registry numbers it"
    raise UserError(f"{config.reference}: {hint}")


if __name__ == "__main__":
    run_verb("triton", triton)
