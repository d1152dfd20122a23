"""Parts of dates in the graph against the standard library's calendar, from 1900 to 2099."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from .fronts import features, feeds, fitted, run

PARTS = ("year", "month", "day", "weekday", "hour")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KINDS = {"when iso": "time"}


def instants() -> list[float]:
    """The edges of each year and of its February, and 20,000 random seconds."""
    edges = [
        datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        for year in range(1900, 2100)
        for month, day in ((1, 1), (2, 28), (3, 1), (12, 31))
        for hour, minute, second in ((0, 0, 0), (23, 59, 59))
    ]
    edges += [datetime(year, 2, 29, 12, tzinfo=UTC) for year in range(1904, 2100, 4)]
    first, last = (int((moment - EPOCH).total_seconds()) for moment in (edges[0], datetime(2099, 12, 31, tzinfo=UTC)))
    drawn = np.random.default_rng(3).integers(first, last, 20_000).tolist()
    return [(moment - EPOCH).total_seconds() for moment in edges] + [float(second) for second in drawn]


def test_every_part() -> None:
    seconds = instants()
    assert min(seconds) == -2_208_988_800.0
    moments = [EPOCH + timedelta(seconds=second) for second in seconds]
    got = run(
        fitted({"when iso": seconds}, KINDS, features(dates=PARTS, scale="none")), feeds({"when iso": seconds}, KINDS)
    )
    assert got["when iso.year"].tolist() == [moment.year for moment in moments]
    assert got["when iso.month"].tolist() == [moment.month for moment in moments]
    assert got["when iso.day"].tolist() == [moment.day for moment in moments]
    assert got["when iso.weekday"].tolist() == [moment.weekday() for moment in moments]
    hours = [moment.hour + moment.minute / 60 + moment.second / 3_600 for moment in moments]
    np.testing.assert_allclose(got["when iso.hour"], hours, rtol=1e-6, atol=0)


def test_fractions_of_a_second_do_not_change_the_day() -> None:
    seconds = [-0.25, 86_399.999_999, 951_782_399.5]
    got = run(
        fitted({"when iso": seconds}, KINDS, features(dates=PARTS, scale="none")), feeds({"when iso": seconds}, KINDS)
    )
    assert got["when iso.day"].tolist() == [31.0, 1.0, 28.0]
    assert got["when iso.year"].tolist() == [1969.0, 1970.0, 2000.0]


def test_a_missing_time_has_the_parts_of_its_fill_or_none() -> None:
    train, test = [0.0, 86_400.0, 172_800.0], [np.nan, 172_800.0]
    got = run(fitted({"when iso": train}, KINDS, features(dates=PARTS, scale="none")), feeds({"when iso": test}, KINDS))
    assert got["when iso.day"].tolist() == [2.0, 3.0]
    gaps = features(dates=("day", "year"), impute="none", scale="none")
    got = run(fitted({"when iso": train}, KINDS, gaps), feeds({"when iso": test}, KINDS))
    np.testing.assert_array_equal(got["when iso.day"], [np.nan, 3.0])
    np.testing.assert_array_equal(got["when iso.year"], [np.nan, 1970.0])


@pytest.mark.parametrize("scale", ["standard", "robust"])
def test_the_parts_are_scaled_with_the_numbers(scale: str) -> None:
    seconds = instants()
    tensors = feeds({"when iso": seconds}, KINDS)
    raw = run(fitted({"when iso": seconds}, KINDS, features(dates=PARTS, scale="none")), tensors)
    got = run(fitted({"when iso": seconds}, KINDS, features(dates=PARTS, scale=scale)), tensors)
    for part in PARTS:
        name = f"when iso.{part}"
        assert abs(got[name].mean()) < 0.1
        assert got[name].std() == pytest.approx(1.0, abs=0.1)
        assert np.corrcoef(raw[name], got[name])[0, 1] == pytest.approx(1.0)


def test_dates_of_one_day() -> None:
    front_end = fitted({"when iso": [0.0, 1.0]}, KINDS, features(dates=("year",)))
    assert run(front_end, feeds({"when iso": [0.0]}, KINDS))["when iso.year"] == pytest.approx(0.0, abs=1e-6)
