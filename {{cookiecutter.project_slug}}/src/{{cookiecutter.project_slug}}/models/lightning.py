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
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch.utils.data import DataLoader

from ..logging import intercept
from ..ports import Matrix, OnEpoch, UserError
from .mlp import MLP, Predictor
from .task import Batch, Batches, Rows, Task

for name in ("lightning.fabric", "lightning.pytorch"):
    intercept(name)


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
        try:
            network = MLP(width, train.levels, self.hidden, max(1, train.classes), self.dropout, self.embedding)
        except (TypeError, ValueError, RuntimeError) as error:
            raise UserError(f"model: {str(error).splitlines()[0]}") from None
        task = Task(network, train.classes, options, self.seed, on_epoch)
        task.fingerprint = self._fingerprint(train, val)
        resume = options["resume"]
        if resume is not None:
            task.history = _read_history(Path(resume), task.fingerprint)
            for epoch, metrics in enumerate(task.history):
                on_epoch(epoch, metrics)
        with _checkpoint_folder(options) as folder:
            trainer, best = _trainer(options, folder)
            size = options["batch_size"]
            training = _loader(train, size, self.seed, mean, deviation)
            validation = _loader(val, max(size, 4096), None, mean, deviation)
            listening = signal.getsignal(signal.SIGINT)
            try:
                trainer.fit(task, training, validation, ckpt_path=resume)
            except SystemExit:  # what Lightning makes of an interruption, after which it is deaf to others
                signal.signal(signal.SIGINT, listening)
                raise KeyboardInterrupt from None
            if not any(np.isfinite(epoch["val/loss"]) for epoch in task.history):
                raise UserError("the loss is not finite from the first epoch on: lower trainer.learning_rate")
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


def _trainer(options: Mapping[str, Any], folder: Path) -> tuple[lightning.Trainer, ModelCheckpoint]:
    """Lightning's Trainer, and the callback that knows the best epoch."""
    best = ModelCheckpoint(
        folder, "best", monitor="val/loss", save_last=True, save_on_train_epoch_end=True, enable_version_counter=False
    )
    stop = EarlyStopping("val/loss", patience=options["patience"], check_on_train_epoch_end=True)
    try:
        trainer = lightning.Trainer(
            max_epochs=options["max_epochs"],
            accelerator=options["accelerator"],
            devices=1,
            precision=options["precision"],
            gradient_clip_val=options["gradient_clip"],
            callbacks=[stop, best],
            default_root_dir=folder,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            deterministic=True,
        )
    except (MisconfigurationException, ValueError) as error:
        raise UserError(f"trainer: {str(error).splitlines()[0]}") from None
    return trainer, best


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
    keeper = next(state for name, state in checkpoint["callbacks"].items() if name.startswith("ModelCheckpoint"))
    if Path(keeper["dirpath"]) != path.resolve().parent:  # Lightning would forget which epoch was the best
        raise UserError(f"trainer.resume: {path} was written in {keeper['dirpath']}: put both checkpoints back there")
    if checkpoint.get("fingerprint") != fingerprint:
        raise UserError(f"trainer.resume: {path} is of a fit with other data, model or trainer settings")
    history: list[dict[str, float]] = checkpoint["history"]
    return history
