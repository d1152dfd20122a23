"""What a release tag says: its name and its annotation, read without git.

An annotated tag `vX.Y.Z-rc.N` makes a version the holder of `staging`, `vX.Y.Z` that of `prod`. Its annotation names
the version by its number, never "the newest"; X is the major number of the model's contract.
"""

import re
from dataclasses import dataclass
from typing import Literal

from ..ports import UserError

TAG = re.compile(r"v(?P<number>(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*))(-rc\.(?P<candidate>[1-9][0-9]*))?")
LINE = re.compile(r"^Model:[ \t]*(?P<reference>.*?)[ \t]*$", re.MULTILINE)
REFERENCE = re.compile(r"models:/(?P<name>[^/:@%'\"]+)(/(?P<version>[1-9][0-9]*)|@(?P<alias>[^/@]+))")
STAGED, RELEASED = "release.staging", "release.prod"
"""Tags of a version: as what it last got `staging`, `1.2.0-rc.1`, and `prod`, `1.2.0`."""
ANEW = "delete the tag, and make it with `make release`"


@dataclass(frozen=True)
class Release:
    """The name of a release tag, read."""

    number: str
    """`1.2.0`."""
    candidate: int | None
    """N of `-rc.N`; None for a release."""

    @property
    def name(self) -> str:
        """`1.2.0-rc.1` or `1.2.0`."""
        return self.number if self.candidate is None else f"{self.number}-rc.{self.candidate}"

    @property
    def tag(self) -> str:
        """The tag in git."""
        return f"v{self.name}"

    @property
    def to(self) -> Literal["staging", "prod"]:
        """The alias that it asks for."""
        return "prod" if self.candidate is None else "staging"

    @property
    def fact(self) -> str:
        """The tag of the version that says so afterwards."""
        return RELEASED if self.candidate is None else STAGED

    @property
    def major(self) -> int:
        """The major number of the model's contract."""
        return int(self.number.partition(".")[0])


def parse(tag: str) -> Release:
    """Read the name of a tag.

    Raises:
        UserError: it is not the name of a release.
    """
    found = TAG.fullmatch(tag)
    if found is None:
        raise UserError(f"{tag!r} names no release: a tag is vX.Y.Z-rc.N for staging, or vX.Y.Z for prod")
    return Release(found["number"], int(found["candidate"]) if found["candidate"] else None)


def annotated(release: Release, reference: str) -> str:
    """The annotation of a tag that releases a version."""
    what = f"Release {release.number}"
    if release.candidate is not None:
        what = f"Candidate {release.candidate} of release {release.number}"
    return f"{what}\n\nModel: {reference}\n"


def model_of(tag: str, annotation: str | None) -> tuple[str, str]:
    """The registered model and the number of the version that a tag names.

    Raises:
        UserError: it names none, more than one, or one by an alias.
    """
    if annotation is None:
        raise UserError(f"{tag} has no annotation, so it names no model: {ANEW}")
    references = [found["reference"] for found in LINE.finditer(annotation)]
    if len(references) != 1:
        has = f"{len(references)} lines" if references else "no line"
        raise UserError(f"the annotation of {tag} has {has} `Model: models:/<name>/<version>`, not one: {ANEW}")
    found = REFERENCE.fullmatch(references[0])
    if found is None:
        raise UserError(f"{tag} names {references[0]!r}, which is not models:/<name>/<version>: {ANEW}")
    if found["alias"]:
        raise UserError(f"{tag} names {references[0]}, and an alias moves: name the version by its number; {ANEW}")
    return found["name"], found["version"]


def has_section(changelog: str, number: str) -> bool:
    """Whether a changelog has a section for a number."""
    return re.search(rf"^## \[{re.escape(number)}\]", changelog, re.MULTILINE) is not None
