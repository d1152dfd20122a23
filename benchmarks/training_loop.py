"""What does the shipped training loop cost over a bare PyTorch loop with the same network, rows, batches and optimiser?

The shipped one also writes two checkpoints an epoch, looks at early stopping, and logs its curve to MLflow.
"""

import argparse
import itertools
import statistics
import time
from tempfile import TemporaryDirectory
from typing import Any

from measuring import in_project, note, ratio, row

ROWS, VALIDATION, FEATURES = 16_000, 2_000, 20
STEP_GOAL, EPOCH_GOAL, RATIO_GOAL = 0.001, 0.080, 1.2
BATCHES = (64, 256)
LARGE_BATCH, LARGE_STEP = 256, 0.010
WIDTHS = range(512, 1025, 64)


def matrices() -> tuple[Any, Any]:
    """Training and validation rows of a smooth function with noise."""
    import numpy as np
    from benchmarked.ports import Matrix

    draw = np.random.default_rng(0)
    features = draw.normal(size=(ROWS + VALIDATION, FEATURES)).astype(np.float32)
    target = np.sin(features[:, :4]).sum(axis=1) + features[:, 4] * features[:, 5] + draw.normal(0, 0.1, len(features))
    names = tuple(f"x{i}" for i in range(FEATURES))
    parts = (slice(0, ROWS), slice(ROWS, None))
    train, val = (Matrix(features[part], target[part].astype(np.float64), names, {}, 0) for part in parts)
    return train, val


def shipped(config: Any, train: Any, val: Any) -> list[float]:
    """Seconds of each epoch but the first through the public `fit`, the curve's logging shared out among them."""
    from benchmarked.integrations import mlflow_tracking
    from benchmarked.utils.instantiate import build
    from benchmarked.utils.progress import Progress

    stamps: list[float] = []
    with mlflow_tracking.run(config.mlflow, "loop") as run, Progress("loop", shown=False) as progress:

        def on_epoch(epoch: int, metrics: Any) -> None:
            progress(epoch, metrics)
            stamps.append(time.perf_counter())

        with TemporaryDirectory() as folder:
            trainer = {**config.model["trainer"], "checkpoints": folder}
            build({**config.model, "trainer": trainer}).fit(train, val, on_epoch)
        begin = time.perf_counter()
        run.curve(progress.history)
        logging = (time.perf_counter() - begin) / len(stamps)
    return [b - a + logging for a, b in itertools.pairwise(stamps)]


def bare(config: Any, train: Any, val: Any) -> list[float]:
    """Seconds of each epoch but the first of a loop that one would write by hand."""
    import torch
    from benchmarked.models.mlp import MLP
    from torch.nn.functional import mse_loss

    options, model = config.trainer, config.model
    torch.manual_seed(0)
    network = MLP(FEATURES, {}, model["hidden"], 1, model["dropout"], model["embedding"])
    optimizer = torch.optim.AdamW(network.parameters(), options.learning_rate, weight_decay=options.weight_decay)
    mean, deviation = train.target.mean(), train.target.std()
    scaled = [torch.from_numpy((part.target - mean) / deviation).float() for part in (train, val)]
    rows, held = torch.from_numpy(train.features), torch.from_numpy(val.features)
    stamps = []
    for _ in range(options.max_epochs):
        network.train()
        for batch in torch.randperm(ROWS).split(options.batch_size):
            loss = mse_loss(network(rows.index_select(0, batch))[:, 0], scaled[0].index_select(0, batch))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), options.gradient_clip)
            optimizer.step()
        network.eval()
        with torch.no_grad():
            float(mse_loss(network(held)[:, 0], scaled[1]))
        stamps.append(time.perf_counter())
    return [b - a for a, b in itertools.pairwise(stamps)]


def main(rounds: int, epochs: int) -> None:
    """Both loops in turns, for the shipped network and for one whose bare step takes about 10 ms."""
    from benchmarked.utils.threads import limit_threads

    limit_threads(2)
    from benchmarked.schemas.config import TrainConfig, validate
    from benchmarked.utils.verb import compose

    def config(size: int, epochs: int, width: int | None = None) -> Any:
        trainer = [f"trainer.batch_size={size}", f"trainer.max_epochs={epochs}", "trainer.patience=100000"]
        hidden = [f"model.hidden=[{width},{width}]"] if width else []
        return validate(TrainConfig, compose("train", ["trainer.checkpoints=null", *trainer, *hidden]))

    train, val = matrices()

    def compare(settings: Any) -> tuple[list[float], list[float]]:
        """The median epoch of each round, of the shipped loop and of the bare one; the first round is not counted."""
        pairs = [[statistics.median(loop(settings, train, val)) for loop in (shipped, bare)] for _ in range(rounds + 1)]
        ours, floor = zip(*pairs[1:], strict=True)
        return list(ours), list(floor)

    over: list[tuple[int, float]] = []
    for size in BATCHES:
        steps = -(-ROWS // size)
        ours, floor = compare(config(size, epochs))
        extra = statistics.median(a - b for a, b in zip(ours, floor, strict=True))
        over.append((steps, extra))
        allowed = steps * STEP_GOAL + EPOCH_GOAL
        row(
            f"training loop, small MLP, batches of {size}: over a bare loop, ms an epoch of {steps} steps",
            f"{1e3 * extra:.0f}",
            f"≤ {1e3 * allowed:.0f} (1 a step + 80)",
            extra <= allowed,
            f"{ratio(ours, floor):.2f} × the bare loop, {1e3 * statistics.median(floor):.0f}",
        )
    (many, most), (few, least) = over
    step = (most - least) / (many - few)
    note(f"a line through both: {1e3 * step:.2f} ms a step and {1e3 * (least - few * step):.0f} ms an epoch")

    steps = -(-ROWS // LARGE_BATCH)
    found = {width: min(bare(config(LARGE_BATCH, 6, width), train, val)) / steps for width in WIDTHS}
    width = min(found, key=lambda candidate: abs(found[candidate] - LARGE_STEP))
    ours, floor = compare(config(LARGE_BATCH, epochs, width))
    times = ratio(ours, floor)
    bare_step = 1e3 * statistics.median(floor) / steps
    row(
        f"training loop, two layers of {width}, batches of {LARGE_BATCH}, bare step {bare_step:.1f} ms: s an epoch",
        f"{statistics.median(ours):.2f}",
        f"≤ {RATIO_GOAL} × a bare loop",
        times <= RATIO_GOAL,
        f"{times:.2f} × the bare loop, {statistics.median(floor):.2f}",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="counted fits of each loop (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=8, help="of each fit (default: %(default)s)")
    options = parser.parse_args()
    in_project(lambda: main(options.rounds, options.epochs))
