"""A raw table is found again by the sha256 of its bytes, wherever it lies."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from loguru import logger

from ..ports import RawStore, RawTable, UserError
from ..utils.files import sha256


@dataclass(frozen=True)
class FolderStore:
    """A folder of files under any names; those that `fetch` named by their fingerprint are looked at first."""

    folder: str

    def find(self, table: RawTable, checkout: Path) -> Path | None:
        """The file of the table below the folder."""
        del checkout
        files = (path for path in Path(self.folder).rglob("*") if path.is_file())
        ordered = sorted(files, key=lambda path: (table.fingerprint[:16] not in path.name, path))
        return next((path for path in ordered if sha256(path) == table.fingerprint), None)


def find_raw(
    table: RawTable, stores: Mapping[str, RawStore], checkout: Path, fetch: Callable[[], Path]
) -> tuple[Path, str]:
    """The raw table, and where it was found.

    Args:
        table: the one that is wanted.
        stores: where to look, in this order, by name.
        checkout: the commit that the version was trained from.
        fetch: asks the table's source for it.

    Raises:
        UserError: no store has it, and the source does not answer or gives other bytes.
    """
    for name, store in stores.items():
        path = store.find(table, checkout)
        if path is not None and sha256(path) == table.fingerprint:
            return path, name
        logger.info("the raw table is not in the store {}", name)
    wanted = f"raw table {table.name} with sha256 {table.fingerprint}"
    looked = f"not in {', '.join(stores)}" if stores else "no store is on"
    hint = "data_store=<folder> names a folder that has it"
    try:
        path = fetch()
    except UserError as error:
        raise UserError(f"the {wanted} is not to be had ({looked}; its source: {error}): {hint}") from None
    found = sha256(path)
    if found != table.fingerprint:
        raise UserError(f"the {wanted} is not to be had ({looked}; its source gives sha256 {found} now): {hint}")
    return path, "source"
