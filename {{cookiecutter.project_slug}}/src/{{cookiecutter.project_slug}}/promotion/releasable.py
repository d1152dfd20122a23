"""Whether a version may be released under a number. The caller asks git and the registry; nothing here does."""

from collections.abc import Iterable

from ..ports import UserError, Version
from ..schemas.contract import Provenance
from ..utils.repository import Change
from .release import RELEASED, STAGED, TAG, Release, has_section, parse

SAME = ("src", "config", "uv.lock")
"""What has to be the same in the commit that trained a version and in the one that releases it."""


def check_notes(release: Release, number: str | None, changelog: str | None) -> None:
    """Whether VERSION and CHANGELOG.md of the tagged commit carry the number.

    Args:
        release: what is released.
        number: what VERSION says; None where there is none.
        changelog: the text of CHANGELOG.md; None where there is none.

    Raises:
        UserError: one of them does not.
    """
    bump = f"bump the version with `make release`, and tag the commit that it makes, not this one as {release.tag}"
    if number is None or number.strip() != release.number:
        says = "is not there" if number is None else f"says {number.strip()!r}"
        raise UserError(f"VERSION {says} at the tagged commit, not {release.number!r}: {bump}")
    if not has_section(changelog or "", release.number):
        raise UserError(f"CHANGELOG.md has no section `## [{release.number}]` at the tagged commit: {bump}")


def check_run(version: Version, status: str, made_from: Provenance | None) -> str:
    """The commit that a version was trained from.

    Raises:
        UserError: its run did not finish, or nobody can say what exactly was trained.
    """
    again, name = "train again, and release that version", f"{version.name} version {version.version}"
    if status != "FINISHED":
        raise UserError(f"the run that trained {name} is {status}, not FINISHED: {again}")
    if made_from is None or made_from.commit is None:
        raise UserError(f"{name} was trained outside a git repository with a commit: commit the project, {again}")
    if made_from.dirty is None:
        raise UserError(f"{name} was trained where git could not say whether all was committed: {again}")
    if made_from.dirty:
        raise UserError(f"{name} was trained with uncommitted changes: commit them, {again}")
    return made_from.commit


def check_code(release: Release, version: Version, change: Change) -> None:
    """Whether what is released is what was trained.

    Raises:
        UserError: the history does not lead from one to the other, or code, configuration or lock differ.
    """
    name, trained = f"{version.name} version {version.version}", change.trained[:12]
    if not change.known:
        clone = "fetch the whole history (`git fetch --unshallow`; in CI clone with depth 0)"
        fetch = clone if change.shallow else "merge the branch that has it, and tag the result"
        raise UserError(f"this clone lacks commit {trained}, which trained {name}: {fetch}")
    if not change.descends:
        merge = f"merge the commit that trained it, and tag the result, not {change.commit[:12]}"
        if change.shallow:
            merge = "this clone is shallow: fetch the whole history (`git fetch --unshallow`; in CI clone with depth 0)"
        raise UserError(f"{release.tag} does not descend from commit {trained}, which trained {name}: {merge}")
    if change.lacks:
        raise UserError(
            f"{change.differs} is not in the commit of {release.tag}: commit it, train again, and release that"
        )
    if change.differs is not None:
        differ = f"{change.differs} is not the same in {release.tag} and in commit {trained}, which trained {name}"
        raise UserError(f"{differ}: tag a commit where it is, or train again and release that version")


def check_unused(release: Release, version: Version, versions: Iterable[Version]) -> None:
    """Whether neither the version nor the number was used for another release.

    Raises:
        UserError: one of them was.
    """
    name, before = f"{version.name} version {version.version}", version.tags.get(RELEASED)
    if before is not None and before != release.number:
        raise UserError(f"{name} was released as {before}, so it does not become {release.name}: train a new version")
    for other in versions:
        if other.version == version.version:
            continue
        if other.tags.get(RELEASED) == release.number:
            used = f"{release.number} is version {other.version} of {version.name}, released already"
            raise UserError(f"{used}: take a new number for version {version.version}")
        if release.candidate is not None and other.tags.get(STAGED) == release.name:
            used = f"{release.name} is version {other.version} of {version.name} already"
            raise UserError(f"{used}: take the next candidate's number for version {version.version}")


def last_release(incumbent: Version, versions: Iterable[Version]) -> tuple[Version, Release] | None:
    """The release whose major number clients know: the incumbent's own, or the highest if it got `prod` without one.

    Returns:
        The version and what it was released as; None where no version has a number.
    """
    known = [(one, _released(one)) for one in (incumbent, *versions)]
    found = [(one, release) for one, release in known if release is not None]
    own = [pair for pair in found if pair[0].version == incumbent.version]
    return max(own or found, key=lambda pair: pair[1].major, default=None)


def _released(version: Version) -> Release | None:
    held = TAG.fullmatch(f"v{version.tags.get(RELEASED)}")
    return parse(held[0]) if held else None


def is_new_major(release: Release, incumbent: Version | None, versions: Iterable[Version], otherwise: bool) -> bool:
    """Whether clients are told by the number that the contract may differ.

    Args:
        release: what is released.
        incumbent: the holder of `prod`, where that is another version.
        versions: all of the model.
        otherwise: the answer where there is no incumbent, or no version was released under a number.

    Raises:
        UserError: the major number is lower than the one that clients know.
    """
    last = last_release(incumbent, versions) if incumbent else None
    if incumbent is None or last is None:
        return otherwise
    version, known = last
    before = known.major
    if release.major < before:
        what = f"version {version.version} holds prod as {known.number}"
        if version.version != incumbent.version:
            what = f"version {incumbent.version}, after version {version.version} was released as {known.number}"
        raise UserError(f"{release.tag} has a lower major number than prod ({what}): take {before}.Y.Z or higher")
    return release.major > before
