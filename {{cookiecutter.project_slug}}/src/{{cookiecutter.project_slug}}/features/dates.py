"""Year, month, day, weekday and hour of an instant, as nodes: the civil calendar from a count of days.

Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms" (2013), `civil_from_days`, in float64, where every
quantity that occurs is an exact integer.
"""

from onnx import TensorProto

from .writer import GraphWriter

DAYS_PER_ERA, DAYS_TO_EPOCH = 146_097.0, 719_468.0
"""Days of 400 Gregorian years, and from 0000-03-01 to 1970-01-01."""


def date_parts(writer: GraphWriter, seconds: str, prefix: str) -> dict[str, str]:
    """Nodes that compute the parts of `seconds` since 1970 (UTC), float64 `[N, 1]`.

    Returns:
        Names of the outputs: year, month (1-12), day (1-31), weekday (Monday = 0), hour (0-24, with fraction).
    """
    counter = iter(range(1_000))

    def op(kind: str, left: str, right: float | str) -> str:
        step = next(counter)
        other = right if isinstance(right, str) else writer.constant(f"{prefix}/c{step}", [[right]])
        return writer.node(kind, [left, other], f"{prefix}/n{step}")

    def floor_div(left: str, right: float) -> str:
        return writer.node("Floor", [op("Div", left, right)], f"{prefix}/n{next(counter)}")

    def modulo(left: str, right: float) -> str:
        return op("Sub", left, op("Mul", floor_div(left, right), right))

    days = floor_div(seconds, 86_400.0)
    shifted = op("Add", days, DAYS_TO_EPOCH)
    era = floor_div(shifted, DAYS_PER_ERA)
    day_of_era = op("Sub", shifted, op("Mul", era, DAYS_PER_ERA))
    leap_days = op("Sub", op("Sub", day_of_era, floor_div(day_of_era, 1_460.0)), floor_div(day_of_era, 146_096.0))
    year_of_era = floor_div(op("Add", leap_days, floor_div(day_of_era, 36_524.0)), 365.0)
    before = op("Add", op("Mul", year_of_era, 365.0), floor_div(year_of_era, 4.0))
    day_of_year = op("Sub", day_of_era, op("Sub", before, floor_div(year_of_era, 100.0)))  # from 1 March
    month_from_march = floor_div(op("Add", op("Mul", day_of_year, 5.0), 2.0), 153.0)
    first = floor_div(op("Add", op("Mul", month_from_march, 153.0), 2.0), 5.0)
    month = op("Add", modulo(op("Add", month_from_march, 2.0), 12.0), 1.0)
    january_or_february = writer.node(
        "Cast", [op("LessOrEqual", month, 2.0)], f"{prefix}/n{next(counter)}", to=TensorProto.DOUBLE
    )  # they belong to the year after the one that began in March
    return {
        "year": op("Add", op("Add", op("Mul", era, 400.0), year_of_era), january_or_february),
        "month": month,
        "day": op("Add", op("Sub", day_of_year, first), 1.0),
        "weekday": modulo(op("Add", days, 3.0), 7.0),
        "hour": op("Div", modulo(seconds, 86_400.0), 3_600.0),
    }
