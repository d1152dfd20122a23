"""The held-out rows that a servable carries with it."""

from pathlib import Path

import numpy as np
import pyarrow.parquet

from ..schemas.contract import Contract

HELDOUT_FILE = "heldout.parquet"


def read_heldout(folder: Path, contract: Contract) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Inputs `[N]` by column name, and the target `[N]`."""
    table = pyarrow.parquet.read_table(folder / HELDOUT_FILE)
    columns = {column.name: table[column.name].to_numpy() for column in contract.inputs}
    return columns, table[contract.target.name].to_numpy()
