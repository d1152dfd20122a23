"""The reference distribution that drift is measured against: of every input, the target and the predictions."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

BINS = 10
LEVELS = 100


def write(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """As JSON: per column the number of rows, the share that is missing, and quantile bins or the counts of levels.

    Args:
        path: the file.
        columns: float64, int64 or text `[N]` by name.
    """
    document = {name: _summary(values) for name, values in columns.items()}
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _summary(values: np.ndarray) -> dict[str, object]:
    if values.dtype.kind in "OUS":
        gaps = values == ""
        levels, counts = np.unique(values[~gaps], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        listed = {str(levels[i]): int(counts[i]) for i in order[:LEVELS]}
        return {
            "rows": len(values),
            "missing": _share(gaps),
            "levels": listed,
            "others": int(counts[order[LEVELS:]].sum()),
        }
    numbers = values.astype(np.float64)
    gaps = np.isnan(numbers)
    seen = numbers[~gaps]
    if not len(seen):
        return {"rows": len(values), "missing": _share(gaps), "edges": [], "counts": []}
    edges = np.unique(np.quantile(seen, np.linspace(0, 1, BINS + 1)))
    counts, _ = np.histogram(seen, edges) if len(edges) > 1 else (np.array([len(seen)]), None)
    return {"rows": len(values), "missing": _share(gaps), "edges": edges.tolist(), "counts": counts.tolist()}


def _share(mask: np.ndarray) -> float:
    return float(mask.mean()) if len(mask) else 0.0
