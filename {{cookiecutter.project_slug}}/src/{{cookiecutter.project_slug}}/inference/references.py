"""A reference says which servable is meant: `models:/<name>@<alias>`, `models:/<name>/<version>`, or a directory."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..ports import Registry, UserError, Version


@dataclass(frozen=True)
class Resolved:
    """What a reference led to."""

    reference: str
    folder: Path
    version: Version | None
    """None where the reference is a directory."""

    @property
    def alias(self) -> str | None:
        """The alias that the reference names."""
        name, _, alias = self.reference.partition("@")
        return alias if name.startswith("models:/") and alias else None


def resolve(reference: str, registry: Callable[[], Registry]) -> Resolved:
    """Find the servable's directory; the registry is only opened for a reference to it.

    Raises:
        UserError: there is no such directory, model, version or alias.
    """
    if reference.startswith("models:/"):
        opened = registry()
        version = opened.find(reference)
        return Resolved(reference, opened.download(version), version)
    folder = Path(reference)
    if not folder.is_dir():
        raise UserError(f"{reference!r} is neither a directory nor models:/<name>@<alias> nor models:/<name>/<version>")
    return Resolved(reference, folder, None)
