"""Fits torch networks with Lightning: early stopping, checkpoints, learning curves, resuming to the same weights."""

import hashlib
import logging
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import lightning
import numpy as np
import onnx
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, Sampler

from ..logging import intercept
from ..ports import Matrix, OnEpoch, UserError
from .mlp import MLP, Predictor

for name in ("lightning.fabric", "lightning.pytorch"):
    intercept(name)
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


@dataclass(frozen=True)
class LightningMLP:
    """An MLP fitted by Lightning's Trainer."""

    hidden: Sequence[int]
    """Widths of the hidden layers."""
    dropout: float
    """Share of units that are dropped in training."""
    embedding: int
    """Greatest width of a category's embedding."""
    trainer: Mapping[str, Any]
    """The `trainer` group."""
    seed: int
    """Of the weights, the batches and dropout."""

    def fit(self, train: Matrix, val: Matrix, on_epoch: OnEpoch) -> "FittedTorch":
        """Fit, and go back to the epoch with the lowest validation loss.

        Raises:
            UserError: a feature may be missing, or the checkpoint to resume from is of another fit.
        """
        if np.isnan(train.features).any():
            name = train.names[int(np.isnan(train.features).any(axis=0).argmax())]
            raise UserError(f"the MLP cannot use {name!r}, which has missing values: set features.impute")
        options = self.trainer
        torch.manual_seed(self.seed)
        mean, deviation = (None, 1.0) if train.classes else _moments(train.target)
        width = train.features.shape[1]
        network = MLP(width, train.levels, self.hidden, max(1, train.classes), self.dropout, self.embedding)
        task = Task(network, train.classes, options, self.seed, on_epoch)
        task.fingerprint = self._fingerprint(train, val)
        resume = options["resume"]
        if resume is not None:
            task.history = _read_history(Path(resume), task.fingerprint)
            for epoch, metrics in enumerate(task.history):
                on_epoch(epoch, metrics)
        with _checkpoint_folder(options) as folder:
            best = ModelCheckpoint(
                folder,
                "best",
                monitor="val/loss",
                save_last=True,
                save_on_train_epoch_end=True,
                enable_version_counter=False,
            )
            trainer = lightning.Trainer(
                max_epochs=options["max_epochs"],
                accelerator=options["accelerator"],
                devices=options["devices"],
                precision=options["precision"],
                gradient_clip_val=options["gradient_clip"],
                callbacks=[
                    EarlyStopping("val/loss", patience=options["patience"], check_on_train_epoch_end=True),
                    best,
                ],
                default_root_dir=folder,
                logger=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
                deterministic=True,
            )
            size = options["batch_size"]
            training = _loader(train, size, self.seed, mean, deviation)
            validation = _loader(val, max(size, 4096), None, mean, deviation)
            listening = signal.getsignal(signal.SIGINT)
            try:
                trainer.fit(task, training, validation, ckpt_path=resume)
            except SystemExit:  # what Lightning makes of an interruption, after which it is deaf to others
                signal.signal(signal.SIGINT, listening)
                raise KeyboardInterrupt from None
            state = torch.load(best.best_model_path, map_location="cpu", weights_only=True)["state_dict"]
            task.load_state_dict(state)
        return FittedTorch(Predictor(network, mean, deviation).cpu().eval(), width)

    def _fingerprint(self, train: Matrix, val: Matrix) -> str:
        """Of everything that decides the weights besides the number of epochs."""
        digest = hashlib.sha256()
        for array in (train.features, train.target, val.features, val.target):
            digest.update(np.ascontiguousarray(array).tobytes())
        options = {
            k: v for k, v in self.trainer.items() if k not in ("max_epochs", "checkpoints", "resume", "patience")
        }
        digest.update(
            repr((list(self.hidden), self.dropout, self.embedding, self.seed, sorted(options.items()))).encode()
        )
        return digest.hexdigest()


@dataclass(frozen=True)
class FittedTorch:
    """A torch module from features `[N, F]` to predictions."""

    module: Predictor
    width: int

    @property
    def _output(self) -> str:
        return "probabilities" if self.module.mean is None else "prediction"

    def predict(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """`{"prediction": [N, 1]}` or `{"probabilities": [N, K]}`, float32, by torch."""
        with torch.no_grad():
            return {self._output: self.module(torch.from_numpy(np.ascontiguousarray(features))).numpy()}

    def to_onnx(self) -> onnx.ModelProto:
        """The module through torch's exporter, with a free number of rows."""
        for name in ("torch.onnx", "onnxscript", "onnx_ir"):
            logging.getLogger(name).setLevel(logging.ERROR)
        program = torch.onnx.export(
            self.module,
            (torch.zeros(3, self.width),),
            dynamo=True,
            opset_version=18,
            input_names=["X"],
            output_names=[self._output],
            dynamic_shapes={"features": {0: torch.export.Dim("N")}},
            external_data=False,
            verbose=False,
        )
        assert program is not None
        return program.model_proto


def _moments(target: np.ndarray) -> tuple[float, float]:
    return float(target.mean()), float(target.std()) or 1.0


def _loader(rows: Matrix, size: int, seed: int | None, mean: float | None, deviation: float) -> DataLoader[Batch]:
    if mean is None:
        target = torch.from_numpy(rows.target)
    else:
        target = torch.from_numpy(((rows.target - mean) / deviation).astype(np.float32))
    data = Rows(torch.from_numpy(rows.features), target)
    return DataLoader(data, batch_size=None, sampler=Batches(len(data), size, seed))


@contextmanager
def _checkpoint_folder(options: Mapping[str, Any]) -> Iterator[Path]:
    """Where checkpoints go: a resumed fit goes on in its own folder, so that its best epoch is still known."""
    if options["resume"] is not None:
        yield Path(options["resume"]).parent
    elif options["checkpoints"] is not None:
        yield Path(options["checkpoints"])
    else:
        with TemporaryDirectory() as folder:
            yield Path(folder)


def _read_history(path: Path, fingerprint: str) -> list[dict[str, float]]:
    if not path.is_file():
        raise UserError(f"trainer.resume: there is no checkpoint {path}")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise UserError(f"trainer.resume: {path} is not a checkpoint: {str(error).splitlines()[0]}") from None
    if checkpoint.get("fingerprint") != fingerprint:
        raise UserError(f"trainer.resume: {path} is of a fit with other data, model or trainer settings")
    history: list[dict[str, float]] = checkpoint["history"]
    return history
