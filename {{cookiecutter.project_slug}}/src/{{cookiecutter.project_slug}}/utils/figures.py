"""Figures as JSON has them."""

import math


def finite(value: object) -> object:
    """The value; None for an infinity or no number, which JSON does not know."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
