"""One progress bar for every model: epochs of a network, rounds of boosting, rows of a batch."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from tqdm import tqdm


class Progress:
    """Counts epochs, shows their figures on a terminal, and keeps them.

    Args:
        title: stands before the bar.
        shown: whether there is a bar; on something that is not a terminal there is none.
    """

    def __init__(self, title: str, *, shown: bool = True) -> None:
        self.history: list[dict[str, float]] = []
        self._bar = tqdm(desc=title, unit="epoch", disable=None if shown else True, leave=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def __call__(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Take one epoch's figures."""
        del epoch
        self.history.append(dict(metrics))
        self._bar.update()
        self._bar.set_postfix({name: f"{value:.4g}" for name, value in metrics.items()}, refresh=False)
