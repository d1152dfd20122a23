"""Strategies of generated tables: rows with cells of all kinds, and with what no column takes."""

import datetime
import math
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st


def many(examples: int) -> settings:
    """As many tables, the same ones in every run; a failure is shown as it was found."""
    phases = (Phase.explicit, Phase.generate, Phase.shrink)
    quiet = list(HealthCheck)
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        phases=phases,
        suppress_health_check=quiet,
    )


moments = st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2099, 12, 31))
words = st.sampled_from(
    ["süd", "nord", "5", "true", "☂", "", " a ", "NA", "None", "True", "FALSE", "5.0", "-0.0", "05.00", "a\0b", "é\u0301", "inf"]
) | st.text(max_size=6)  # fmt: skip
JUNK = st.sampled_from(
    [10**400, -(10**400), 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 1e308, -1e308, 3.4e38, 5e-324, -0.0, 1e39, math.inf, -math.inf,
     math.nan, "1.5", " 1e3 ", "١", "1_000", "1,5", "0x10", "NaN", "-inf", "20200101", "2020-02-30", "true", "\ud800", "a\udfff", "",
     [], [1], [[1]], [1, 2], [1, 2, 3], [1, "x", 3], [1, None, 2.5], [1, 2, 3, 4], {}, {"a": 1}, {"age": 30}, True, False, None, 0, 1, 2]
)  # fmt: skip
JUNK = JUNK | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5)
finite = (
    st.floats(-1e12, 1e12) | st.floats(allow_nan=False, allow_infinity=False, width=32) | st.integers(-(10**6), 10**6)
)


def table(cells: dict[str, st.SearchStrategy[Any]], dirt: st.SearchStrategy[Any], odd: int) -> st.SearchStrategy[Any]:
    """Rows as lists of pairs; `odd` of a hundred tables have one cell of `dirt`."""
    row = st.fixed_dictionaries(cells)

    @st.composite
    def build(draw: st.DrawFn) -> list[list[tuple[str, Any]]]:
        rows = [list(one.items()) for one in draw(st.lists(row, min_size=1, max_size=3))]
        if draw(st.integers(0, 99)) < odd:
            one = rows[draw(st.integers(0, len(rows) - 1))]
            position = draw(st.integers(0, len(one) - 1))
            one[position] = one[position][0], draw(dirt)
        return rows

    return build()
