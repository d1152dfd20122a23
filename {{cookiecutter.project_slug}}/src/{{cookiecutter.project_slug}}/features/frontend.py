"""What the front-end learns from the training rows: a specification that is plain JSON."""

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from ..ports import UserError
from ..schemas.config import FeaturesConfig
from ..schemas.contract import Column

UNKNOWN, MISSING = 0, 1
"""Codes of a category that training did not see, and of a missing one; the levels follow."""
ONEHOT_UNKNOWN, ONEHOT_MISSING = "<unknown>", "<missing>"
CALENDAR = {"month": (6.5, 3.5), "day": (15.7, 8.8), "weekday": (3.0, 2.0), "hour": (12.0, 6.9)}
"""Mean and deviation of the parts of a date where all dates are equally frequent."""
SECONDS_PER_YEAR = 365.2425 * 86_400


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class DatePart(_Part):
    """One part of a date: it becomes (part - offset) / scale."""

    part: str
    offset: float = 0.0
    scale: float = 1.0


class Number(_Part):
    """One numeric column: a value x becomes ((x or fill) - offset) / scale, in float64, and then float32."""

    name: str
    fill: float | None
    """What a missing value becomes; None leaves it missing."""
    offset: float
    scale: float
    indicator: bool
    """Whether a feature says that the value was missing."""
    dates: tuple[DatePart, ...] = ()
    """Parts of the date that become features."""


class Category(_Part):
    """One category: level i becomes code i + 2."""

    name: str
    levels: tuple[str, ...]
    onehot: bool


class FrontEnd(_Part):
    """The whole front-end."""

    numbers: tuple[Number, ...]
    categories: tuple[Category, ...]
    unused: tuple[tuple[str, str], ...]
    """Name and kind of inputs that give no feature."""
    selected: tuple[int, ...] | None = None
    """Positions of the features that a selector kept; None keeps all."""

    @property
    def all_names(self) -> list[str]:
        """The features before selection, in the order of the matrix."""
        names = [n.name for n in self.numbers]
        names += [f"{n.name}?missing" for n in self.numbers if n.indicator]
        names += [f"{n.name}.{date.part}" for n in self.numbers for date in n.dates]
        for category in self.categories:
            levels = (ONEHOT_UNKNOWN, ONEHOT_MISSING, *category.levels)
            names += [f"{category.name}={level}" for level in levels] if category.onehot else [category.name]
        return names

    @property
    def names(self) -> list[str]:
        """The features that the model sees."""
        every = self.all_names
        return every if self.selected is None else [every[position] for position in self.selected]

    @property
    def code_levels(self) -> dict[int, int]:
        """Positions of the features that are codes of a category, with the number of codes."""
        codes: list[int] = []
        for category in self.categories:
            codes += [0] * (len(category.levels) + 2) if category.onehot else [len(category.levels) + 2]
        every = [0] * (len(self.all_names) - len(codes)) + codes  # by position: a date's part may bear a column's name
        kept = range(len(every)) if self.selected is None else self.selected
        return {position: every[feature] for position, feature in enumerate(kept) if every[feature]}

    def column_of(self, feature: str) -> str:
        """The input that a feature was made of."""
        columns = [number.name for number in self.numbers] + [category.name for category in self.categories]
        if feature in columns:
            return feature
        columns.sort(key=len, reverse=True)
        return next(name for name in columns if feature.startswith((f"{name}?", f"{name}.", f"{name}=")))


def fit(feeds: Mapping[str, np.ndarray], columns: Sequence[Column], config: FeaturesConfig) -> FrontEnd:
    """Learn fills, offsets, scales and levels.

    Args:
        feeds: encoded training rows, `[N, 1]` by column name.
        columns: the contract's inputs.
        config: what to do.

    Raises:
        UserError: the configuration names a column that is not an input, or leaves no feature.
    """
    used = _used([column.name for column in columns], config)
    numbers: list[Number] = []
    categories: list[Category] = []
    unused: list[tuple[str, str]] = []
    for column in columns:
        values = feeds[column.name][:, 0]
        category = _category(column, values, config) if column.name in used and column.kind == "category" else None
        number = _number(column, values, config) if column.name in used and column.kind != "category" else None
        if category is not None:
            categories.append(category)
        elif number is not None:
            numbers.append(number)
        else:
            unused.append((column.name, column.kind))
    if not numbers and not categories:
        raise UserError("features: no column is left: every one is excluded or empty in the training rows")
    return FrontEnd(numbers=tuple(numbers), categories=tuple(categories), unused=tuple(unused))


def _used(names: list[str], config: FeaturesConfig) -> list[str]:
    listed = names if config.include == "__AUTO__" else list(config.include)
    for where, wanted in (("include", listed), ("exclude", config.exclude)):
        unknown = [name for name in wanted if name not in names]
        if unknown:
            raise UserError(
                f"features.{where} names {unknown[0]!r}, which is no feature of this table: choose its experiment"
            )
    return [name for name in listed if name not in config.exclude]


def _number(column: Column, values: np.ndarray, config: FeaturesConfig) -> Number | None:
    seen = values[~np.isnan(values)]
    if not len(seen):
        return None  # stays an input, so that the contract does not depend on one day's gaps
    median = float(np.median(seen))
    fill = {"median": median, "mean": float(seen.mean()), "none": None}[config.impute]
    offset, scale = (0.0 if column.kind == "boolean" else median), 1.0
    if config.scale == "standard":
        offset, scale = float(seen.mean()), float(seen.std())
    elif config.scale == "robust":
        scale = float(np.subtract(*np.quantile(seen, [0.75, 0.25])))
    if seen.min() == seen.max():  # the rounding noise of a constant is no scale
        offset, scale = float(seen[0]), 1.0
    return Number(
        name=column.name,
        fill=fill,
        offset=offset,
        scale=scale if scale > 0 and np.isfinite(scale) else 1.0,
        indicator=config.indicators and fill is not None and len(seen) < len(values),
        dates=tuple(_date(part, seen, config) for part in config.dates) if column.kind == "time" else (),
    )


def _date(part: str, seconds: np.ndarray, config: FeaturesConfig) -> DatePart:
    """Scaled, unless numbers are left alone: years by mean and deviation, the others by those of the calendar."""
    if config.scale == "none":
        return DatePart(part=part)
    if part == "year":
        years = 1970.0 + seconds / SECONDS_PER_YEAR
        return DatePart(part=part, offset=float(years.mean()), scale=max(1.0, float(years.std())))
    offset, scale = CALENDAR[part]
    return DatePart(part=part, offset=offset, scale=scale)


def _category(column: Column, values: np.ndarray, config: FeaturesConfig) -> Category | None:
    levels, counts = np.unique(values[values != ""].astype(object), return_counts=True)
    if not len(levels):
        return None
    order = np.argsort(-counts, kind="stable")[: config.max_levels]
    return Category(name=column.name, levels=tuple(levels[order].tolist()), onehot=config.categories == "onehot")
