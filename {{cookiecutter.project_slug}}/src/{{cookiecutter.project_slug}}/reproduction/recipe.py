"""What a version's run recorded of how it was made, as far as a refit needs it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from ..ports import RawTable, UserError, Version
from ..schemas.resolved import CONFIG_FILE


@dataclass(frozen=True)
class Recipe:
    """Everything that a refit starts from; the stored model is not among it."""

    commit: str
    lock: str | None
    """sha256 of uv.lock; None where there was none."""
    data: str
    """sha256 of the raw table's bytes."""
    config: dict[str, Any]
    """The resolved configuration."""
    threads: str | None
    """Processors that the libraries of the training took; None: its code did not record it."""
    packages: dict[str, str]
    """Version of each library that was recorded, by the tag's name."""

    python: str
    """Version of Python."""

    @property
    def table(self) -> RawTable:
        """The raw table that it was trained on."""
        data = self.config["data"]
        places = tuple(str(data[key]) for key in ("raw_dir", "path") if data.get(key) is not None)
        return RawTable(str(data.get("name")), self.data, places)

    @property
    def torch(self) -> str:
        """The extra that brings the build of torch that was recorded."""
        return "cuda" if "+cu" in self.packages.get("package.torch", "") else "cpu"


def read_recipe(version: Version, tags: Mapping[str, str], text: str | None) -> Recipe:
    """Take a run's record apart.

    Args:
        version: the one that the run trained.
        tags: of the run.
        text: its resolved configuration; None where the file is gone. It is read as it is: the commit's own code checks
            it, whose schema may be another than that of today.

    Raises:
        UserError: something is not recorded, or was recorded of an uncommitted tree.
    """
    name = f"{version.name} version {version.version}"
    commit, lock = tags.get("git.commit", "unknown"), tags.get("lock.sha256", "unknown")
    if commit == "unknown":
        raise UserError(f"{name} was trained outside a commit: nothing says with what code")
    if tags.get("git.dirty") == "true":
        raise UserError(f"{name} was trained with uncommitted changes: nothing says what they were")
    if tags.get("git.dirty") != "false":
        raise UserError(f"{name}: its run does not say whether commit {commit[:12]} was all of the code")
    if text is None:
        raise UserError(f"{name}: its run {version.run_id} has no {CONFIG_FILE}: nothing says with what configuration")
    if "${" in text:  # it was resolved when it was written; this one would take what is in today's environment
        raise UserError(f"{name}: {CONFIG_FILE} of its run {version.run_id} holds ${{…}}: somebody has changed it")
    if "data.sha256" not in tags:
        raise UserError(f"{name}: its run {version.run_id} has no tag data.sha256: nothing says on what data")
    try:
        config = OmegaConf.to_container(OmegaConf.create(text))
    except (OmegaConfBaseException, YAMLError):
        config = None
    if not isinstance(config, dict) or not isinstance(config.get("data"), dict):
        raise UserError(f"{name}: {CONFIG_FILE} of its run {version.run_id} is not a configuration of `train`")
    return Recipe(
        commit=commit,
        lock=None if lock == "unknown" else lock,
        data=tags["data.sha256"],
        config={str(key): value for key, value in config.items()},
        threads=None if tags.get("system.threads") == "unset" else tags.get("system.threads"),
        packages={key: value for key, value in tags.items() if key.startswith("package.")},
        python=tags.get("system.python", ""),
    )
