"""What Lightning trains: a network with its loss and optimiser, on batches that depend on seed and epoch alone."""

from collections.abc import Iterator, Mapping
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset, Sampler

from ..ports import OnEpoch

Batch = tuple[Tensor, Tensor]


class Rows(Dataset[Batch]):
    """Features and targets that are taken many rows at once: one indexing operation a batch, no collating."""

    def __init__(self, features: Tensor, target: Tensor) -> None:
        self.features, self.target = features, target

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, rows: Tensor) -> Batch:
        """Features `[B, F]` and targets `[B]` of some rows."""
        return self.features.index_select(0, rows), self.target.index_select(0, rows)


class Batches(Sampler[Tensor]):
    """Row numbers of each batch; their order depends on seed and epoch alone, so that a resumed fit repeats it."""

    def __init__(self, rows: int, size: int, seed: int | None) -> None:
        self.rows, self.size, self.seed, self.epoch = rows, size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.rows // self.size)

    def __iter__(self) -> Iterator[Tensor]:
        if self.seed is None:
            order = torch.arange(self.rows)
        else:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
            order = torch.randperm(self.rows, generator=generator)
        yield from torch.split(order, self.size)


class Task(lightning.LightningModule):
    """One network, its loss and its optimiser. Losses are added up on the device and read once an epoch."""

    def __init__(
        self, network: nn.Module, classes: int, options: Mapping[str, Any], seed: int, on_epoch: OnEpoch
    ) -> None:
        super().__init__()
        self.network, self.classes, self.options, self.seed, self.on_epoch = network, classes, options, seed, on_epoch
        self.fingerprint = ""
        self.history: list[dict[str, float]] = []
        self._sums: dict[str, Tensor] = {}
        self._rows: dict[str, int] = {}

    def _loss(self, batch: Batch, split: str) -> Tensor:
        features, target = batch
        raw = self.network(features)
        loss = functional.cross_entropy(raw, target) if self.classes else functional.mse_loss(raw[:, 0], target)
        kept = loss.detach() * len(target)
        self._sums[split] = self._sums[split] + kept if split in self._sums else kept
        self._rows[split] = self._rows.get(split, 0) + len(target)
        return loss

    def _mean(self, split: str) -> float:
        return float(self._sums.pop(split)) / self._rows.pop(split)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Make dropout a function of the step, so that a resumed fit repeats it."""
        del batch, batch_idx
        seed = self.seed * 1_000_003 + self.global_step
        if self.device.type == "cpu":  # torch.manual_seed formats a stack trace for every absent GPU: 0.3 ms a step
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The mean loss of a batch."""
        del batch_idx
        return self._loss(batch, "train")

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add up the loss of a batch."""
        del batch_idx
        self._loss(batch, "val")

    def on_validation_epoch_end(self) -> None:
        """Give Lightning the figure that stopping and checkpoints look at."""
        self.log("val/loss", self._mean("val"))

    def on_train_epoch_end(self) -> None:
        """Report the epoch's figures; the checkpoint of the epoch is written after this."""
        validation = float(self.trainer.callback_metrics["val/loss"])
        self.history.append({"train/loss": self._mean("train"), "val/loss": validation})
        self.on_epoch(self.current_epoch, self.history[-1])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Write down what was trained on, and the curve so far, so that a resumed one is whole."""
        checkpoint["fingerprint"], checkpoint["history"] = self.fingerprint, self.history

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW (Loshchilov and Hutter, ICLR 2019)."""
        options = self.options
        return torch.optim.AdamW(self.parameters(), options["learning_rate"], weight_decay=options["weight_decay"])
