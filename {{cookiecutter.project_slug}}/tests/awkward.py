"""A table that holds what usually goes wrong between training and serving; the same every time."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

ROWS, WIDE = 3_000, 200
TARGETS = {"y": "regression", "bin": "classification", "cls": "classification"}
"""A number, two classes as integers, three classes as text."""
COLOURS = ["red", " red", "grün", "日本", "🙂", 'a "quote"', "comma, and\nline", "True", "5.0", "None", ""]

KINDS = {
    "flag": "boolean",
    "count": "integer",
    "when_s": "time",
    "when iso": "time",
    "big": "number",
    "colour": "category",
    "sku": "category",
    "const": "number",
    "void": "number",
    "with space": "number",
    "with.dot": "number",
    **{f"x{i:03}": "number" for i in range(WIDE)},
}
"""The inputs, with their kinds."""


def columns(target: str) -> Mapping[str, Mapping[str, Any]]:
    """`data.columns` for one of the targets."""
    kinds = {"y": "number", "bin": "integer", "cls": "category"}
    return {
        "key": {"kind": "integer", "role": "key"},
        "side": {"kind": "category", "role": "ignored"},
        **{name: {"kind": kind} for name, kind in KINDS.items()},
        target: {"kind": kinds[target]},
    }


def frame() -> pd.DataFrame:
    """The table; its column `side` says train, validation or heldout."""
    draw = np.random.default_rng(20)
    signal = draw.normal(size=(ROWS, WIDE))
    seconds = draw.integers(-1_000_000_000, 2_000_000_000, ROWS)
    moments = pd.to_datetime(draw.integers(-2_000_000_000, 4_000_000_000, ROWS), unit="s")
    table = pd.DataFrame(
        {
            "key": 20_000_000 + draw.permutation(ROWS),  # above 2**24, where float32 loses the last digit
            "side": np.repeat(["train", "validation", "heldout"], [ROWS - 1_000, 400, 600]),
            "flag": _gaps(draw, draw.random(ROWS) < 0.3, 0.1),
            "count": pd.array(_gaps(draw, draw.poisson(4, ROWS), 0.2), dtype="Int64"),
            "when_s": _gaps(draw, seconds.astype(float), 0.1).astype(float),
            "when iso": _gaps(draw, moments.strftime("%Y-%m-%dT%H:%M:%S").to_numpy(), 0.1),
            "big": 1e9 + draw.normal(0, 3, ROWS),
            "colour": _gaps(draw, draw.choice(np.array(COLOURS, object), ROWS), 0.1),
            "sku": [f"s{number:05}" for number in draw.integers(0, 5_000, ROWS)],
            "const": 7.0,
            "void": np.nan,
            "with space": draw.exponential(1e-6, ROWS),
            "with.dot": draw.normal(-1e6, 1e5, ROWS),
        }
    )
    wide = {f"x{i:03}": signal[:, i] * 10.0 ** (i % 9 - 4) for i in range(WIDE)}
    table = pd.concat([table, pd.DataFrame(wide)], axis=1)
    score = signal[:, 0] - signal[:, 5] * (table["colour"] == "red") + (table["big"] - 1e9) / 3
    score += table["count"].astype(float).fillna(0.0) / 4 + 2 * (table["flag"] == True)  # noqa: E712
    table["y"] = 1_000 + 10 * score + draw.normal(0, 0.3, ROWS)
    table["bin"] = (score > score.median()).astype(np.int64)
    table["cls"] = np.array(["low", "mid", "hoch ü"], object)[np.digitize(score, score.quantile([0.33, 0.66]))]
    return _surprises(table)


def heldout() -> pd.DataFrame:
    """The held-out rows alone."""
    table = frame()
    return table[table["side"] == "heldout"].reset_index(drop=True)


def _gaps(draw: np.random.Generator, values: np.ndarray, share: float) -> np.ndarray:
    return np.where(draw.random(len(values)) < share, None, values.astype(object))


def _surprises(table: pd.DataFrame) -> pd.DataFrame:
    """What held-out rows hold and no training row does."""
    first = int((table["side"] == "heldout").idxmax())
    table.loc[first : first + 19, "colour"] = "never seen"
    table.loc[first + 20 : first + 29, "sku"] = None
    table.loc[first + 30 : first + 39, "x003"] = np.nan
    table.loc[first + 40 : first + 49, "big"] = np.nan
    table.loc[first + 50 : first + 59, "void"] = 3.5
    table.loc[first + 60 : first + 69, "const"] = -2.0
    table.loc[first + 70 : first + 79, "with.dot"] = 1e12
    table.loc[first + 80, list(KINDS)] = None
    return table
