"""What `promote` is asked for: by a version's number, or by a release tag and everything that it must keep."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from ..integrations.mlflow_store import ForbiddenError
from ..ports import Registry, UnreachableError, UserError, Version
from ..promotion.lifecycle import Lifecycle
from ..promotion.releasable import (
    SAME,
    check_code,
    check_notes,
    check_run,
    check_unused,
    is_new_major,
)
from ..promotion.release import ANEW, Release, model_of, parse
from ..schemas.contract import Contract, ContractError
from ..schemas.promotion import PromoteConfig
from ..utils.repository import change, check_here, commit_of, file_at, find_tag


@dataclass(frozen=True)
class Asked:
    """A version that asks for an alias."""

    version: Version
    to: Literal["staging", "prod"]
    new_major: bool
    """Whether the contract may differ from the incumbent's."""
    lifecycle: Lifecycle
    """Of the version's model."""
    release: Release | None = None
    """What the tag releases; None where none asks."""

    @property
    def held(self) -> bool:
        """Whether the version holds the alias already, and not as another release."""
        known = {**self.facts, **self.version.tags}
        return self.to in self.version.aliases and all(known[key] == value for key, value in self.facts.items())

    @property
    def facts(self) -> dict[str, str]:
        """The version's tags that say what it was released as."""
        return {self.release.fact: self.release.name} if self.release else {}


def asked(config: PromoteConfig, registry: Registry, lifecycle_of: Callable[[str], Lifecycle]) -> Asked:
    """Read the configuration of `promote`, and with it the tag that it names.

    Args:
        config: names a version and an alias, or a tag.
        registry: where the version is registered; opened with a folder to download to.
        lifecycle_of: the lifecycle of a registered model by its name.

    Raises:
        UserError: there is no such version, or it may not make this move, or the tag may not release it.
    """
    if config.tag is None:
        assert config.to is not None  # the schema says so
        version = registry.find(f"models:/{config.mlflow.model}/{config.version}")
        wish = Asked(version, config.to, config.promotion.new_major, lifecycle_of(version.name))
        wish.lifecycle.check(version, wish.to)
        return wish
    release = parse(config.tag)
    check_here()
    tag, head = find_tag(config.tag), commit_of("HEAD")
    if tag is None:
        raise UserError(f"there is no tag {config.tag} here: fetch it (`git fetch --tags`; in CI clone with tags)")
    name, number = model_of(config.tag, tag.annotation)
    if tag.commit != head:
        at = f"HEAD is at {head[:12]}" if head else "HEAD is no commit"
        raise UserError(f"{at}, and {config.tag} at {tag.commit[:12]}: check it out, `git checkout {config.tag}`")
    if config.mlflow.model != name and _is_override(config.mlflow.model):
        raise UserError(f"{config.tag} names the model {name}, and mlflow.model is {config.mlflow.model}: leave it out")
    check_notes(release, file_at(tag.commit, "VERSION"), file_at(tag.commit, "CHANGELOG.md"))
    version = _find(config.tag, registry, name, number)
    wish = Asked(version, release.to, config.promotion.new_major, lifecycle_of(name), release)
    return replace(wish, new_major=check(wish, registry, tag.commit))


def check(wish: Asked, registry: Registry, commit: str) -> bool:
    """Whether a commit may release a version, the numbers in VERSION and CHANGELOG.md apart.

    Args:
        wish: what is released, where to; `new_major` counts where no version has a number.
        registry: where it is registered; opened with a folder to download to.
        commit: the commit that the tag stands on.

    Returns:
        Whether the contract may differ from the incumbent's.

    Raises:
        UserError: it may not be released, and why.
    """
    release, version = wish.release, wish.version
    assert release is not None
    if not wish.held:
        wish.lifecycle.check(version, wish.to)
    trained = check_run(version, registry.run_status(version), _contract(registry, version).provenance)
    check_code(release, version, change(trained, commit, SAME))
    versions = registry.versions(version.name)
    check_unused(release, version, versions)
    return is_new_major(release, wish.lifecycle.incumbent(version), versions, wish.new_major)


def _find(tag: str, registry: Registry, name: str, number: str) -> Version:
    try:
        return registry.find(f"models:/{name}/{number}")
    except UserError as error:
        later = isinstance(error, UnreachableError | ForbiddenError)  # the tag may be right
        hint = "" if later else f"; {ANEW}"
        raise type(error)(f"{tag} names models:/{name}/{number}: {error}{hint}") from None


def _contract(registry: Registry, version: Version) -> Contract:
    try:
        return Contract.read(registry.download(version))
    except ContractError as error:
        raise UserError(f"{version.name} version {version.version} cannot be judged ({error}): train it anew") from None


def _is_override(model: str) -> bool:
    """Whether somebody asked for this model, and not the configuration by itself."""
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    given = HydraConfig.get().overrides.task if HydraConfig.initialized() else []
    default = OmegaConf.select(OmegaConf.load("config/mlflow/default.yaml"), "model")
    return model != default or any(override.startswith("mlflow.model=") for override in given)
