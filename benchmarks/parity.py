"""How far is the exported graph from the training framework, over every held-out row of every bundled model?"""

import argparse
import time
from pathlib import Path
from typing import Any

from measuring import housing, in_project, note, row

DATA = ("diabetes", "breast_cancer", "california_housing")
TOLERANCE = 1e-5
GOAL = f"≤ {TOLERANCE:g} × (deviation + abs(y)), 0 rows off"


def disagreement(got: dict[str, Any], want: dict[str, Any], target: Any) -> Any:
    """How far each row is off, as a multiple of the tolerance `[N]`; another label is infinitely far."""
    import numpy as np

    number = target.prediction if target.kind == "regression" else target.probabilities
    expected = want[number].astype(np.float64)
    off = (np.abs(got[number] - expected) / (TOLERANCE * (target.deviation + np.abs(expected)))).max(axis=1)
    if target.kind == "classification":
        off = np.where(got[target.prediction][:, 0] == want[target.prediction][:, 0], off, np.inf)
    return np.where(np.isnan(off), np.inf, off)


def measure(data: str, model: str) -> Any:
    """Fit one model, export it, and compare on the held-out rows."""
    import onnxruntime
    from benchmarked.data.prepare import prepare
    from benchmarked.data.splits import assign
    from benchmarked.schemas.config import TrainConfig, validate
    from benchmarked.training.export import to_bytes
    from benchmarked.training.fit import fit
    from benchmarked.utils.progress import Progress
    from benchmarked.utils.threads import limit_threads
    from benchmarked.utils.verb import compose

    table_of = housing() if data == "california_housing" else [f"experiment={data}"]
    config = validate(TrainConfig, compose("train", [*table_of, f"model={model}", "trainer.checkpoints=null"]))
    limit_threads(config.threads)
    table = prepare(config.data)
    sides = assign(table, config.data)
    fitted = fit(config, table, sides == "train", sides == "validation", Progress("", shown=False))
    heldout = table.take(sides == "heldout")
    session = onnxruntime.InferenceSession(to_bytes(fitted), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    feeds = {value.name: heldout.columns[value.name] for value in session.get_inputs()}
    got = dict(zip(names, session.run(names, feeds), strict=True))
    return disagreement(got, fitted.predict(heldout), fitted.target)


def main(models: list[str]) -> None:
    """A row for each table, with the worst row of each model."""
    names = models or sorted(path.stem for path in Path("config/model").glob("*.yaml"))
    for data in DATA:
        off = {}
        for model in names:
            begin = time.perf_counter()
            off[model] = measure(data, model)
            note(f"{data}, {model}: {time.perf_counter() - begin:.0f} s")
        wrong = sum(int((rows > 1).sum()) for rows in off.values())
        worst = ", ".join(f"{model} {rows.max():.2g}" for model, rows in off.items())
        row(
            f"graph against framework, {data}, {len(off[names[0]]):,} held-out rows",
            f"{wrong} rows off; largest error as a multiple of the tolerance: {worst}",
            GOAL,
            wrong == 0,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=[], help="names in config/model/ (default: all)")
    options = parser.parse_args()
    in_project(lambda: main(options.models))
