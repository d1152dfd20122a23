"""Figures of a run, drawn without a display and without matplotlib's global state."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..schemas.contract import Target

SHOWN = 25
"""Columns in the figure of importance."""
CLASSES_NAMED = 30
"""Classes above which a figure has no room for their names."""


def learning_curve(history: Sequence[Mapping[str, float]]) -> Figure:
    """Every metric against the epoch or boosting round."""
    figure, axes = _canvas("Learning curve")
    for name in history[0]:
        axes.plot([epoch.get(name, np.nan) for epoch in history], label=name)
    axes.set_xlabel("epoch or round")
    axes.legend()
    return figure


def predicted_against_actual(target: Target, truth: np.ndarray, predicted: np.ndarray) -> Figure:
    """One point per row, with the line on which a perfect model lies."""
    figure, axes = _canvas(f"{target.name}: predicted against actual")
    axes.scatter(truth, predicted, s=8, alpha=0.4)
    low, high = min(truth.min(), predicted.min()), max(truth.max(), predicted.max())
    axes.plot([low, high], [low, high], color="black", linewidth=1)
    unit = f" [{target.unit}]" if target.unit else ""
    axes.set_xlabel(_plain(f"actual{unit}"))
    axes.set_ylabel(_plain(f"predicted{unit}"))
    return figure


def confusion_matrix(target: Target, truth: np.ndarray, predicted: np.ndarray) -> Figure:
    """Counts of rows by true and predicted class."""
    assert target.classes is not None
    names = [_plain(str(label)) for label in target.classes]
    counts = np.array([[((truth == t) & (predicted == p)).sum() for p in target.classes] for t in target.classes])
    figure, axes = _canvas(f"{target.name}: confusion matrix")
    axes.imshow(counts, cmap="Blues")
    if len(names) <= CLASSES_NAMED:
        for (row, column), count in np.ndenumerate(counts):
            dark = count > counts.max() / 2
            axes.text(column, row, str(count), ha="center", va="center", color="white" if dark else "black")
        axes.set_xticks(range(len(names)), names)
        axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    return figure


def calibration(target: Target, truth: np.ndarray, probabilities: np.ndarray, bins: int = 10) -> Figure:
    """Observed frequency against predicted probability, one line per class."""
    assert target.classes is not None
    figure, axes = _canvas(f"{target.name}: calibration")
    axes.plot([0, 1], [0, 1], color="black", linewidth=1)
    for code, label in enumerate(target.classes):
        predicted, hits = probabilities[:, code], truth == label
        place = np.minimum((predicted * bins).astype(int), bins - 1)
        used = [b for b in range(bins) if (place == b).any()]
        axes.plot(
            [predicted[place == b].mean() for b in used],
            [hits[place == b].mean() for b in used],
            "o-",
            label=_plain(str(label)),
        )
    axes.set_xlabel("predicted probability")
    axes.set_ylabel("observed frequency")
    axes.legend()
    return figure


def importance(values: Mapping[str, float], metric: str) -> Figure:
    """Bars, the most important column on top."""
    shown = dict(list(values.items())[:SHOWN])
    figure, axes = _canvas("Permutation importance")
    axes.barh(range(len(shown)), list(shown.values()))
    axes.set_yticks(range(len(shown)), [_plain(name[:30]) for name in shown])
    axes.invert_yaxis()
    axes.set_xlabel(f"increase of {metric} when shuffled")
    return figure


def folds(values: Sequence[float], metric: str) -> Figure:
    """One bar per fold, with the mean."""
    figure, axes = _canvas(f"{metric} by fold")
    axes.bar(range(len(values)), values)
    axes.axhline(float(np.mean(values)), color="black", linewidth=1)
    axes.set_xlabel("fold")
    return figure


def of_predictions(target: Target, truth: np.ndarray, outputs: Mapping[str, np.ndarray]) -> dict[str, Figure]:
    """The figures of a task, by file name without suffix."""
    predicted = np.asarray(outputs[target.prediction])[:, 0]
    if target.kind == "regression":
        return {"predicted_against_actual": predicted_against_actual(target, truth, predicted)}
    return {
        "confusion_matrix": confusion_matrix(target, truth, predicted),
        "calibration": calibration(target, truth, np.asarray(outputs[target.probabilities])),
    }


def _canvas(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(_plain(title))
    return figure, axes


def _plain(text: str) -> str:
    """A text of the user's: what stands between dollars is no formula."""
    return text.replace("$", r"\$")
