"""How tests compare a door's answers with the training framework's; written apart from the code that is tested."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

TOLERANCE = 1e-5


def as_frame(outputs: Mapping[str, np.ndarray], classes: Sequence[object] | None) -> pd.DataFrame:
    """Outputs `[N, width]` as the columns that a table of predictions has."""
    columns = {}
    for name, array in outputs.items():
        if name.endswith("_probabilities"):
            assert classes is not None
            columns |= {f"{name}_{label}": array[:, place] for place, label in enumerate(classes)}
        else:
            columns[name] = array[:, 0]
    return pd.DataFrame(columns)


def off(got: np.ndarray, want: np.ndarray, deviation: float) -> int:
    """Number of rows `[N, width]` with a value off by more than 1e-5 × (deviation + |wanted|), or that is no number."""
    assert got.shape == want.shape
    got, want = got.astype(np.float64), want.astype(np.float64)
    near = np.abs(got - want) <= TOLERANCE * (deviation + np.abs(want))
    return int((~near.all(axis=1)).sum())


def assert_agree(got: pd.DataFrame, want: pd.DataFrame, deviation: float) -> None:
    """Every row agrees; a label may only differ where two classes are equally probable."""
    assert list(got.columns) == list(want.columns)
    assert len(got) == len(want)
    probable = [name for name in want if "_probabilities_" in name]
    if not probable:
        assert off(got.to_numpy(), want.to_numpy(), deviation) == 0
        return
    assert off(got[probable].to_numpy(), want[probable].to_numpy(), deviation) == 0
    ranked = np.sort(want[probable].to_numpy(), axis=1)
    (label,) = set(want) - set(probable)
    differ = got[label].to_numpy() != want[label].to_numpy()
    assert not (differ & (ranked[:, -1] - ranked[:, -2] > 2 * TOLERANCE)).any()
