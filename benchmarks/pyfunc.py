"""What does one row of 59 columns cost through MLflow's pyfunc? Floor: onnxruntime alone on the same row."""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from measuring import in_project, ratio, row

GOAL = 2.5
NUMBERS, CATEGORIES, ROWS = 57, 2, 3000


def write_table() -> None:
    """A table of the width of the awkward one, with gaps and two categories, and its configuration."""
    import numpy as np
    import pandas as pd

    draw = np.random.default_rng(0)
    table = pd.DataFrame(draw.normal(50, 20, (ROWS, NUMBERS)), columns=[f"number_{i}" for i in range(NUMBERS)])
    target = table.iloc[:, :5].sum(axis=1) + draw.normal(0, 5, ROWS)
    table = table.mask(draw.random(table.shape) < 0.05)
    for i in range(CATEGORIES):
        table[f"category_{i}"] = draw.choice(["red", "green", "blue", "größer"], ROWS)
    table["target"] = target
    table.to_csv("wide.csv", index=False)
    kinds = {name: "category" if name.startswith("category") else "number" for name in table.columns}
    lines = [f"  {name}: {{kind: {kind}}}" for name, kind in kinds.items()]
    head = "defaults: [base, _self_]\nname: wide\npath: wide.csv\ntarget: target\ntask: regression\ncolumns:\n"
    Path("config/data/wide.yaml").write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


def milliseconds(function: Callable[..., object], *arguments: object) -> float:
    """Of one call."""
    begin = time.perf_counter()
    function(*arguments)
    return 1e3 * (time.perf_counter() - begin)


def main(models: list[str], calls: int) -> None:
    """Train and register as a user does, load by alias, and call pyfunc and its graph in turns."""
    import mlflow
    import pandas as pd
    from benchmarked.cli.train import train
    from benchmarked.inference.wire import encode
    from benchmarked.utils.verb import compose

    write_table()
    frame = pd.read_csv("wide.csv").drop(columns="target").iloc[[0]]
    for model in models:
        overrides = ["data=wide", "features.exclude=[]", f"model={model}", "progress=false"]
        train(compose("train", overrides))
        loaded = mlflow.pyfunc.load_model("models:/benchmarked@dev")
        servable = loaded._model_impl
        feeds = encode(frame, servable.document)
        timings: dict[str, list[float]] = {"pyfunc": [], "graph": []}
        for _ in range(calls):
            timings["pyfunc"].append(milliseconds(loaded.predict, frame))
            timings["graph"].append(milliseconds(servable.session.run, None, feeds))
        pyfunc, graph = timings["pyfunc"][calls // 10 :], timings["graph"][calls // 10 :]
        row(
            f"pyfunc, one row of {len(frame.columns)} columns, {model}, ms",
            f"{statistics.median(pyfunc):.2f}",
            f"≤ {GOAL}",
            statistics.median(pyfunc) <= GOAL,
            f"{ratio(pyfunc, graph):.1f} × onnxruntime alone, {statistics.median(graph):.2f}",
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["linear", "lightgbm"], help="default: %(default)s")
    parser.add_argument("--calls", type=int, default=1000, help="of each (default: %(default)s)")
    options = parser.parse_args()
    in_project(lambda: main(options.models, options.calls))
