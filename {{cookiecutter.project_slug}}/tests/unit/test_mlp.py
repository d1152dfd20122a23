"""The perceptron: resumed after a kill to the same weights, the whole learning curve, unknown categories."""

import multiprocessing
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from {{ cookiecutter.project_slug }}.ports import UserError

from .nets import fit, fit_and_be_killed, matrix, perceptron

pytestmark = pytest.mark.slow
Curve = list[tuple[int, dict[str, float]]]


def weights(fitted: Any) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in fitted.module.state_dict().items()}


class Recorder:
    """Keeps a learning curve, and interrupts the fit at an epoch."""

    def __init__(self, interrupt_at: int | None = None) -> None:
        self.curve: Curve = []
        self.interrupt_at = interrupt_at

    def __call__(self, epoch: int, metrics: Mapping[str, float]) -> None:
        if epoch == self.interrupt_at:
            raise KeyboardInterrupt
        self.curve.append((epoch, dict(metrics)))


@pytest.mark.parametrize("classes", [0, 3])
def test_resumed_equals_straight(tmp_path: Path, classes: int) -> None:
    straight, first, second = Recorder(), Recorder(), Recorder()
    whole = fit(perceptron(tmp_path / "whole"), straight, classes)
    fit(perceptron(tmp_path / "part", max_epochs=3), first, classes)
    resumed = fit(perceptron(tmp_path / "part", resume=str(tmp_path / "part/last.ckpt")), second, classes)
    assert weights(resumed) == weights(whole)
    assert [epoch for epoch, _ in straight.curve] == list(range(6))
    assert first.curve == straight.curve[:3]
    assert second.curve == straight.curve
    assert set(straight.curve[0][1]) == {"train/loss", "val/loss"}


def test_resumed_after_an_interruption(tmp_path: Path) -> None:
    whole = fit(perceptron(tmp_path / "whole"))
    listening = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(perceptron(tmp_path / "part"), Recorder(interrupt_at=3))
    assert signal.getsignal(signal.SIGINT) is listening
    recorder = Recorder()
    resumed = fit(perceptron(tmp_path / "part", resume=str(tmp_path / "part/last.ckpt")), recorder)
    assert weights(resumed) == weights(whole)
    assert [epoch for epoch, _ in recorder.curve] == list(range(6))


def test_resumed_after_a_kill(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=fit_and_be_killed, args=(str(tmp_path / "part"), 4))
    process.start()
    process.join(120)
    assert process.exitcode == -9
    resumed = fit(perceptron(tmp_path / "part", resume=str(tmp_path / "part/last.ckpt")))
    assert weights(resumed) == weights(fit(perceptron(tmp_path / "whole")))


def test_the_best_epoch_is_kept_across_a_resumption(tmp_path: Path) -> None:
    """The validation rows say the opposite of the training rows, so that the best epoch is before the interruption."""
    train, val = matrix(1), matrix(2)
    val = replace(val, target=2 * train.target.mean() - val.target)
    straight = Recorder()
    whole = perceptron(tmp_path / "whole").fit(train, val, straight)
    losses = [metrics["val/loss"] for _, metrics in straight.curve]
    assert int(np.argmin(losses)) < 2
    perceptron(tmp_path / "part", max_epochs=3).fit(train, val, Recorder())
    resumed = perceptron(tmp_path / "part", resume=str(tmp_path / "part/last.ckpt")).fit(train, val, Recorder())
    assert weights(resumed) == weights(whole)
    error = resumed.predict(val.features)["prediction"][:, 0] - val.target
    assert np.mean(error**2) / train.target.var() == pytest.approx(min(losses), rel=1e-4)


def test_it_stops_early(tmp_path: Path) -> None:
    train, val = (replace(matrix(seed), target=np.random.default_rng(seed).normal(size=300)) for seed in (1, 2))
    recorder = Recorder()
    perceptron(tmp_path, patience=2, max_epochs=200).fit(train, val, recorder)
    losses = [metrics["val/loss"] for _, metrics in recorder.curve]
    assert len(losses) == int(np.argmin(losses)) + 3
    assert len(losses) < 50


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    def blob(seed: int, name: str) -> bytes:
        return fit(perceptron(tmp_path / name, seed, max_epochs=2)).to_onnx().SerializeToString(deterministic=True)

    assert blob(0, "a") == blob(0, "b")
    assert blob(0, "a") != blob(1, "c")


def test_without_checkpoints_the_weights_are_the_same(tmp_path: Path) -> None:
    kept = fit(perceptron(tmp_path / "kept"))
    assert weights(fit(perceptron(tmp_path, checkpoints=None))) == weights(kept)
    assert sorted(path.name for path in tmp_path.rglob("*.ckpt")) == ["best.ckpt", "last.ckpt"]


def test_a_category_that_training_did_not_see_says_nothing(tmp_path: Path) -> None:
    fitted: Any = fit(perceptron(tmp_path))
    table = fitted.module.network.embeddings[0].weight.detach().numpy()
    assert table.shape == (6, 4)
    assert not table[0].any()  # unknown: no row of training has it
    assert table[1].any()  # missing: rows of training have it
    features = np.array([[0.5, 0.5, 0.0], [0.5, 0.5, 2.0]], np.float32)
    got = fitted.predict(features)["prediction"]
    assert np.isfinite(got).all()
    assert got[0] != got[1]


def test_the_numbers_alone(tmp_path: Path) -> None:
    train = matrix(1)
    numbers = replace(train, features=train.features[:, :2].copy(), names=("a", "b"), levels={})
    fitted = perceptron(tmp_path, max_epochs=1).fit(numbers, numbers, lambda epoch, metrics: None)
    assert fitted.predict(numbers.features)["prediction"].shape == (300, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "is of a fit with other data, model or trainer settings"),
        ({"learning_rate": 0.02}, "is of a fit with other data, model or trainer settings"),
        ({"dropout": 0.3}, "is of a fit with other data, model or trainer settings"),
        ({"resume": "{folder}/none.ckpt"}, "trainer.resume: there is no checkpoint"),
        ({"resume": "{folder}/text.ckpt"}, "is not a checkpoint"),
    ],
)
def test_a_checkpoint_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    fit(perceptron(tmp_path, max_epochs=1))
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    change = {key: str(value).format(folder=tmp_path) if key == "resume" else value for key, value in change.items()}
    with pytest.raises(UserError, match=message) as error:
        fit(perceptron(tmp_path, **{"resume": str(tmp_path / "last.ckpt"), **change}))
    assert "\n" not in str(error.value)


def test_a_checkpoint_of_other_data_is_refused(tmp_path: Path) -> None:
    fit(perceptron(tmp_path, max_epochs=1))
    with pytest.raises(UserError) as error:
        perceptron(tmp_path, resume=str(tmp_path / "last.ckpt")).fit(matrix(7), matrix(2), Recorder())
    path = tmp_path / "last.ckpt"
    assert str(error.value) == f"trainer.resume: {path} is of a fit with other data, model or trainer settings"


def test_gaps_are_refused(tmp_path: Path) -> None:
    train = matrix(1)
    train.features[3, 1] = np.nan
    with pytest.raises(UserError) as error:
        perceptron(tmp_path).fit(train, matrix(2), Recorder())
    assert str(error.value) == "the MLP cannot use 'b', which has missing values: set features.impute"
