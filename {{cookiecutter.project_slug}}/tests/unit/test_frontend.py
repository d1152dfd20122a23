"""The exported front-end against an oracle that is written here, with numpy alone.

All doors run the same front-end, so their agreement cannot see a wrong imputation; this does.
"""

from collections import Counter

import numpy as np
import pytest

from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.config import FeaturesConfig

from .fronts import features, feeds, fitted, run

NAN = np.nan
DRAW = np.random.default_rng(5)
ROWS = 401
KINDS = {"gaps": "number", "big": "number", "const": "number", "void": "number", "flag": "boolean", "n.o": "integer"}
TRAIN = {
    "gaps": np.where(DRAW.random(ROWS) < 0.2, NAN, DRAW.exponential(30.0, ROWS)),
    "big": 1e9 + DRAW.normal(0, 3, ROWS),
    "const": np.full(ROWS, 7.0),
    "void": np.full(ROWS, NAN),
    "flag": np.where(DRAW.random(ROWS) < 0.1, NAN, (DRAW.random(ROWS) < 0.3).astype(float)),
    "n.o": DRAW.integers(-5, 5, ROWS).astype(float),
}
TEST = {
    "gaps": [NAN, 0.0, -1e6, 12.25],
    "big": [1e9, NAN, 1e9 + 1e-3, 1e9 - 3],
    "const": [7.0, 8.5, NAN, 0.0],
    "void": [1.0, NAN, 2.0, -1.0],
    "flag": [1.0, 0.0, NAN, 1.0],
    "n.o": [NAN, 2.0, 16_777_217.0, -3.0],
}


def middle(values: list[float]) -> float:
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def quartile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def oracle(name: str, config: FeaturesConfig) -> np.ndarray:
    """What becomes of a test column, float64."""
    seen = [value for value in TRAIN[name].tolist() if value == value]
    mean = sum(seen) / len(seen)
    fill = {"median": middle(seen), "mean": mean, "none": NAN}[config.impute]
    offset, scale = middle(seen), 1.0
    if config.scale == "standard":
        offset, scale = mean, (sum((value - mean) ** 2 for value in seen) / len(seen)) ** 0.5
    elif KINDS[name] == "boolean":
        offset = 0.0
    if config.scale == "robust":
        scale = quartile(seen, 0.75) - quartile(seen, 0.25)
    return np.array([((fill if value != value else value) - offset) / (scale or 1.0) for value in TEST[name]])


@pytest.mark.parametrize("impute", ["median", "mean", "none"])
@pytest.mark.parametrize("scale", ["standard", "robust", "none"])
@pytest.mark.parametrize("indicators", [True, False])
def test_numbers(impute: str, scale: str, indicators: bool) -> None:
    config = features(impute=impute, scale=scale, indicators=indicators)
    got = run(fitted(TRAIN, KINDS, config), feeds(TEST, KINDS))
    want = {name: oracle(name, config) for name in KINDS if name != "void"}
    if indicators and impute != "none":
        want["gaps?missing"] = np.array([1.0, 0.0, 0.0, 0.0])
        want["flag?missing"] = np.array([0.0, 0.0, 1.0, 0.0])
    assert list(got) == list(want)
    for name, values in want.items():
        np.testing.assert_allclose(got[name], values, rtol=1e-6, atol=1e-6, err_msg=name)


def test_values_that_are_exact() -> None:
    got = run(fitted(TRAIN, KINDS, features(scale="none")), feeds(TEST, KINDS))
    offset = middle(TRAIN["gaps"][~np.isnan(TRAIN["gaps"])].tolist())
    assert got["gaps"].tolist() == [0.0, *np.float32(np.array([0.0, -1e6, 12.25]) - offset).tolist()]
    assert got["const"].tolist() == [0.0, 1.5, 0.0, -7.0]
    assert got["flag"].tolist() == [1.0, 0.0, 0.0, 1.0]


def test_a_large_offset_keeps_its_digits() -> None:
    got = run(fitted(TRAIN, KINDS, features()), feeds({**TRAIN}, KINDS))
    assert len(np.unique(TRAIN["big"].astype(np.float32))) == 1
    assert len(np.unique(got["big"])) == len(np.unique(TRAIN["big"]))


def levels() -> list[str]:
    """5,000 levels and a few that are more frequent, among them ties."""
    many = [f"s{number:04}" for number in range(5_000)]
    return [*many, *["grün"] * 40, *["b"] * 7, *["a"] * 7, *["🙂"] * 3, *[""] * 11]


@pytest.mark.parametrize("most", [1, 3, 50, 10_000])
@pytest.mark.parametrize("onehot", [False, True])
def test_categories(most: int, onehot: bool) -> None:
    train, kinds = levels(), {"a space": "category"}
    counts = Counter(level for level in train if level)
    kept = sorted(counts, key=lambda level: (-counts[level], level))[:most]
    assert kept[:3] == ["grün", "a", "b"][:most]
    test = ["grün", "a", "b", "", "never seen", "GRÜN", "s0000", "s4999", "🙂", "a\0"]
    codes = [1 if level == "" else kept.index(level) + 2 if level in kept else 0 for level in test]
    front_end = fitted({"a space": train}, kinds, features(categories="onehot" if onehot else "codes", max_levels=most))
    got = run(front_end, feeds({"a space": test}, kinds))
    if onehot:
        names = [f"a space={level}" for level in ("<unknown>", "<missing>", *kept)]
        assert list(got) == names
        np.testing.assert_array_equal(np.array(list(got.values())).T, np.eye(len(names))[codes])
    else:
        assert got["a space"].tolist() == codes
        assert front_end.code_levels == {0: len(kept) + 2}


def test_inclusion_and_exclusion() -> None:
    listed = fitted(TRAIN, KINDS, features(include=("n.o", "gaps"), indicators=False))
    assert listed.names == ["gaps", "n.o"]
    assert fitted(TRAIN, KINDS, features(exclude=("gaps", "flag"))).names == ["big", "const", "n.o"]
    assert set(dict(listed.unused)) == {"big", "const", "void", "flag"}
    got = run(listed, feeds(TEST, KINDS))
    np.testing.assert_allclose(got["gaps"], oracle("gaps", features()), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"include": ("gap",)},
            "features.include names 'gap', which is no feature of this table: choose its experiment",
        ),
        (
            {"exclude": ("gap",)},
            "features.exclude names 'gap', which is no feature of this table: choose its experiment",
        ),
        ({"include": ("void",)}, "features: no column is left: every one is excluded or empty in the training rows"),
    ],
)
def test_refused(config: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(UserError) as error:
        fitted(TRAIN, KINDS, features(**config))
    assert str(error.value) == message


def test_the_column_of_a_feature() -> None:
    kinds = {"a": "number", "a.year": "category", "a?missing": "number", "t": "time"}
    train = {"a": [1.0, NAN], "a.year": ["x", "y"], "a?missing": [0.0, 1.0], "t": [0.0, NAN]}
    front_end = fitted(train, kinds, features(dates=("year",), categories="onehot"))
    assert {name: front_end.column_of(name) for name in ("a", "t.year", "t?missing", "a.year=x")} == {
        "a": "a",
        "t.year": "t",
        "t?missing": "t",
        "a.year=x": "a.year",
    }


def test_codes_are_known_by_position() -> None:
    kinds = {"t": "time", "t.year": "category", "c": "category"}
    train = {"t": [0.0, 1e9], "t.year": ["x", "y"], "c": ["x", "x"]}
    front_end = fitted(train, kinds, features(dates=("year",)))
    assert front_end.names == ["t", "t.year", "t.year", "c"]
    assert front_end.code_levels == {2: 4, 3: 3}
    assert front_end.model_copy(update={"selected": (1, 3)}).code_levels == {1: 3}
