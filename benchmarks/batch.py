"""How fast does `predict` score a Parquet file, and in how much memory? Floor: a bare pyarrow and onnxruntime loop."""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from measuring import in_project, in_turns, note, ratio, row

SPEED, MEMORY = 0.8, 1.2
ROWS_PER_GROUP = 200_000
WAIT = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
print(used.ru_maxrss)
sys.exit(bool(status))
"""
"""Runs a command from a small process: a child's peak begins with what its parent holds."""

if TYPE_CHECKING:
    from numpy.random import Generator
    from onnxruntime import InferenceSession
    from pyarrow import Table


def write_table(path: Path, rows: int) -> None:
    """A file of any length like the diabetes table: nine numbers and a category, a few of them missing."""
    import numpy as np
    import pyarrow.csv
    import pyarrow.parquet

    raw = pyarrow.csv.read_csv(next(Path("data/raw").glob("diabetes-*.csv")))
    draw = np.random.default_rng(0)
    with pyarrow.parquet.ParquetWriter(path, _part(raw, draw, 1).schema) as writer:
        for start in range(0, rows, ROWS_PER_GROUP):
            writer.write_table(_part(raw, draw, min(ROWS_PER_GROUP, rows - start)))


def _part(raw: "Table", draw: "Generator", rows: int) -> "Table":
    import pyarrow as pa

    columns = {}
    for name in raw.column_names:
        drawn = raw[name].to_numpy()[draw.integers(0, len(raw), rows)]
        if name == "sex":
            columns[name] = pa.array([str(int(level)) for level in drawn], pa.string())
        elif name != "progression":
            columns[name] = drawn.astype(float)
    return pa.table(columns)


def bare(session: "InferenceSession", source: Path, target: Path, rows: int) -> None:
    """What everybody writes: no check, no key, no rejects, no resumption."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet

    writer = None
    with pyarrow.parquet.ParquetFile(source) as file:
        for batch in file.iter_batches(rows):
            feeds = {}
            for name in batch.schema.names:
                values = batch[name].to_numpy(zero_copy_only=False)
                feeds[name] = values.astype(object if values.dtype == object else np.float64).reshape(-1, 1)
            (prediction,) = session.run(None, feeds)
            scored = pa.table({"progression_prediction": prediction[:, 0]})
            writer = writer or pyarrow.parquet.ParquetWriter(target, scored.schema)
            writer.write_table(scored)
    assert writer is not None, f"{source} has no rows"
    writer.close()


def peak(source: Path) -> float:
    """Greatest resident memory of a whole `predict` process, in 10^6 bytes."""
    command = [sys.executable, "-m", "benchmarked.cli.predict", f"input={source}", "output=scored.parquet"]
    done = subprocess.run([sys.executable, "-c", WAIT, *command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"predict failed on {source}: {done.stderr}")
    return int(done.stdout) * (1 if sys.platform == "darwin" else 1024) / 1e6


def main(rows: int, runs: int) -> None:
    """Train as a user does, then score one file in turns, then a file of ten times its length."""
    import pyarrow.parquet
    from benchmarked.cli.train import train
    from benchmarked.inference.batch import score
    from benchmarked.inference.engine import Engine
    from benchmarked.inference.references import resolve
    from benchmarked.integrations.mlflow_registry import MlflowRegistry
    from benchmarked.utils.verb import compose

    train(compose("train", ["progress=false"]))
    short, long = Path("short.parquet"), Path("long.parquet")
    write_table(short, rows)
    registry = MlflowRegistry("sqlite:///mlflow.db", Path("servables"))
    settings = compose("predict", [f"input={short}", "output=scored.parquet"])
    engine = Engine(resolve(settings.reference, lambda: registry).folder, settings.threads)

    def plain() -> float:
        begin = time.perf_counter()
        bare(engine._servable.session, short, Path("bare.parquet"), settings.rows)
        return rows / (time.perf_counter() - begin)

    def whole() -> float:
        begin = time.perf_counter()
        score(engine, short, Path("scored.parquet"), settings.rows, part_rows=settings.part_rows)
        return rows / (time.perf_counter() - begin)

    ours, floor = in_turns(runs, whole, plain)
    if pyarrow.parquet.read_table("scored.parquet") != pyarrow.parquet.read_table("bare.parquet"):
        raise SystemExit("predict and the bare loop answer differently")
    share = ratio(ours, floor)
    row(
        f"batch, {rows:,} rows of 10 columns, mlp, rows/s",
        f"{statistics.median(ours):,.0f}",
        f"≥ {SPEED} × a bare loop",
        share >= SPEED,
        f"{share:.2f} × a bare loop, {statistics.median(floor):,.0f}",
    )
    write_table(long, 10 * rows)
    note("scoring the long file")
    small, large = peak(short), peak(long)
    row(
        f"batch, peak memory at {10 * rows:,} rows, MB",
        f"{large:,.0f}",
        f"≤ {MEMORY} × that at {rows:,} rows",
        large <= MEMORY * small,
        f"{large / small:.2f} × {small:,.0f}",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the short file (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=11, help="of each (default: %(default)s)")
    options = parser.parse_args()
    in_project(lambda: main(options.rows, options.runs))
