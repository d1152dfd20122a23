"""Runs a servable: reads its directory, checks it, answers."""

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

import numpy as np

from ..ports import UserError
from ..schemas.contract import CONTRACT_FILE, GRAPH_FILE, Contract, ContractError
from ..utils.files import sha256
from . import wire
from .parity import disagreement

GOLDEN_FILE = "golden.json"
Run = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]
"""Answers encoded columns `[N, width]` with outputs `[N, width]`, both by name."""


class Engine:
    """A servable that is ready to answer.

    Args:
        folder: the servable's directory.
        threads: threads of one inference; 0 lets onnxruntime choose.

    Raises:
        UserError: the directory is no servable, a file of it is not the one that was written, or its graph does not
            load or does not fit its contract.
    """

    def __init__(self, folder: Path, threads: int = 0) -> None:
        self.folder = folder
        try:
            self.contract = Contract.read(folder)
        except ContractError as error:
            raise UserError(str(error)) from None
        for name, digest in self.contract.digests.items():
            path = folder / name
            if not path.is_file():
                raise UserError(f"{folder} is incomplete: {name} is absent")
            if sha256(path) != digest:
                raise UserError(f"{path} is not the file that was trained: its sha256 differs from the contract's")
        try:
            self._servable = wire.Servable(str(folder), threads)
        except Exception as error:  # onnxruntime's errors have no common base
            raise UserError(f"{folder / GRAPH_FILE} does not load: {str(error).splitlines()[0]}") from None
        inputs = {i.name: i.shape[1] for i in self._servable.session.get_inputs()}
        expected = {column.name: column.width for column in self.contract.inputs}
        if inputs != expected:
            odd = sorted(set(inputs.items()) ^ set(expected.items()))
            raise UserError(f"{folder}: graph and contract disagree on the inputs: {odd[0][0]!r}")

    @property
    def digest(self) -> str:
        """sha256 of the contract, which holds the digests of all other files."""
        return sha256(self.folder / CONTRACT_FILE)

    @cached_property
    def inputs(self) -> dict[str, tuple[str, int]]:
        """The graph's type and the width of each input, by name in the contract's order."""
        types = {tensor.name: tensor.type for tensor in self._servable.session.get_inputs()}
        return {column.name: (types[column.name], column.width) for column in self.contract.inputs}

    @cached_property
    def outputs(self) -> dict[str, tuple[str, int]]:
        """The graph's type and the width of each output, by name in the graph's order."""
        return {tensor.name: (tensor.type, tensor.shape[1]) for tensor in self._servable.session.get_outputs()}

    def run(self, columns: object) -> dict[str, np.ndarray]:
        """Predictions `[N, width]` by output name.

        Raises:
            InputError: the columns do not fit the contract.
        """
        return self._servable.run(columns)

    def encode(self, columns: object, misfits: wire.Misfits = wire.STRICT) -> dict[str, np.ndarray]:
        """The graph's inputs `[N, width]` by name; `misfits` is told of values that do not fit.

        Raises:
            InputError: a column is absent or of another length; or, by default, a value does not fit.
        """
        return self._servable.encode(columns, misfits)

    def run_encoded(
        self, feeds: Mapping[str, np.ndarray], misfits: wire.Misfits = wire.STRICT
    ) -> dict[str, np.ndarray]:
        """Predictions for columns that are encoded already; `misfits` is told of rows without a finite one."""
        return self._servable.run_encoded({column.name: feeds[column.name] for column in self.contract.inputs}, misfits)

    def flat(self, outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs as table columns `[N]`."""
        return self._servable.flat(outputs)

    def check_golden(self, run: Run | None = None, where: str | None = None) -> int:
        """Answer the golden rows as the training framework did.

        Args:
            run: what answers them; None: this engine.
            where: what it is called in an error; None: the servable's directory.

        Returns:
            How many rows that are.

        Raises:
            UserError: an answer is off by more than the contract's tolerance.
        """
        document = json.loads((self.folder / GOLDEN_FILE).read_text(encoding="utf-8"))
        feeds = self.encode(document["inputs"])
        got = self.run_encoded(feeds) if run is None else run(feeds)
        want = {name: np.array(values) for name, values in document["outputs"].items()}
        rows = 0
        for target in self.contract.targets:
            off = disagreement(got, want, target)
            rows = len(off)
            if (off > 1).any():
                row = int(off.argmax())
                raise UserError(
                    f"{where or self.folder}: {int((off > 1).sum())} of {rows} golden rows differ; "
                    f"row {row} of {target.name} by {off[row]:.3g} times the tolerance"
                )
        return rows
