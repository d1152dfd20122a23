"""What texts look like that are numbers, dates or identifiers to people."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..inference.wire import InputError, encode_column
from .raw import RawColumn

ZERO_FIRST = r"^[+-]?0\d"
UUID = r"^\{?[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\}?$"
ISO_TIME = r"^\d{4}-\d{2}-\d{2}([T ].*)?$"
COMPACT_DATE = r"^(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$"
MONTH = "(jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)"
OTHER_DATES = (
    r"^(0?[1-9]|[12]\d|3[01])[./-](0?[1-9]|[12]\d|3[01])[./-](\d{2}|\d{4})([ T].*)?$",
    r"^\d{4}[./](0?[1-9]|1[0-2])([./](0?[1-9]|[12]\d|3[01]))?([ T].*)?$",
    r"^\d{4}-(0?[1-9]|1[0-2])(-(0?[1-9]|[12]\d|3[01]))?$",
    rf"(?i)^([a-z]{{2,10}},? )?(\d{{1,2}}\.?[ -])?{MONTH}[a-z]*\.?[ -](\d{{1,2}},?[ -])?(\d{{2}}|\d{{4}})( .*)?$",
)
THOUSANDS = r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$"
DECIMAL_COMMA = r"^[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+$"
WITH_UNIT = r"^[$€£¥]? ?[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)? ?([$€£¥%°]|[A-Za-zµ°²³/]{1,6})?$"
BARE = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
USUAL_MARKS = frozenset(
    (
        "?", "-", "--", "---", ".", "*", "#", "—", "–", "/", "\\N", "unknown", "unbekannt", "missing", "none", "na",
        "n.a.", "n. a.", "n/k", "nil", "nd", "n.d.", "tbd", "undefined", "not available", "not known", "inf", "-inf",
        "infinity", "#div/0!", "#value!", "#ref!",
    )
)  # fmt: skip
"""Texts, in lower case, that people write where a value is not known."""

WORD = re.compile(r"[A-ZÄÖÜ]?[a-zäöüß]+|[A-ZÄÖÜ]+(?![a-zäöüß])|\d+")
IDS = frozenset(("id", "ids", "uuid", "guid", "identifier", "pk"))
COUNTERS = frozenset(("key", "index", "idx", "nr", "no", "number"))
"""Words of identifiers where all values differ, and of plain numbers where they repeat (`heat_index`)."""
CODES = frozenset(("code", "codes", "zip", "zipcode", "postcode", "plz"))
TIMES = frozenset(("time", "timestamp", "date", "datetime", "ts", "epoch", "when", "day", "datum", "zeit", "at", "on"))
NOT_WHEN = frozenset(
    (
        "birth", "born", "birthday", "dob", "geburt", "geburtsdatum", "built", "due", "expiry", "expires", "expiration",
        "until", "deadline", "start", "end", "valid", "hired", "joined", "signup", "registered", "first", "last",
    )
)  # fmt: skip
"""Words of times that say something about the row, and not when it happened."""


def words(name: str) -> list[str]:
    """The words of a column's name, in lower case: `PassengerId` is passenger and id."""
    return [word.lower() for word in WORD.findall(name)]


def is_named(name: str, among: frozenset[str]) -> bool:
    """Whether the first or the last word of a name is among some."""
    found = words(name)
    return bool(found) and (found[0] in among or found[-1] in among)


def is_identifier(column: RawColumn) -> bool:
    """Whether the name says that the column identifies something."""
    every_row = len(column.values) == column.filled
    return is_named(column.name, IDS) or (every_row and is_named(column.name, COUNTERS))


def are_times(column: RawColumn) -> bool:
    """Whether every value is a time that the wire encoding reads."""
    if not column.like(ISO_TIME).all():
        return False
    try:
        encode_column(column.values.to_pylist(), {"name": column.name, "kind": "time"}, set())
    except InputError:
        return False
    return True


def other_dates(column: RawColumn) -> bool:
    """Whether every value is a date in one spelling that is not ISO 8601's."""
    return any(column.like(pattern).all() for pattern in OTHER_DATES)


def odd_numbers(column: RawColumn, labels: int) -> str | None:
    """Why values that are numbers to people are none to a program; None where that is not so.

    Args:
        column: of texts.
        labels: different texts up to which numbers with a unit are labels (`3 stars`).
    """
    plain = ~np.isnan(column.numbers)
    thousands, decimal = column.like(THOUSANDS), column.like(DECIMAL_COMMA)
    if (thousands | decimal).any() and (plain | thousands | decimal).all():
        surely_thousands, surely_decimal = (thousands & ~decimal).any(), (decimal & ~thousands).any()
        if surely_decimal and not surely_thousands:
            return "numbers with a decimal comma"
        if surely_thousands and not surely_decimal:
            return "numbers with thousands separators"
        return "numbers with commas, as thousands separators or decimal ones"
    if len(column.values) > labels and column.like(WITH_UNIT).all() and not plain.any():
        rest = set(_without_numbers(column.texts).to_pylist())
        if len(rest) == 1:
            return f"numbers with {rest.pop()!r}"
    return None


def _without_numbers(texts: pa.Array) -> pa.Array:
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(texts, BARE, "", max_replacements=1))


def odd_one_out(column: RawColumn) -> str | None:
    """The one text, trimmed, among numbers or times that stands for a gap; None where there is none."""
    if column.stored != "text" or len(column.values) < 3:
        return None
    fits = ~np.isnan(column.numbers)
    if not fits.any():
        fits = column.like(ISO_TIME)
    odd = set(column.texts.filter(pa.array(~fits)).to_pylist())
    if len(odd) != 1 or column.like(ZERO_FIRST).any():
        return None
    (text,) = odd
    share = column.counts[~fits].sum() / column.filled
    if text.lower() in USUAL_MARKS:
        return text if share < 0.9 else None
    return text if share < 0.2 and fits.sum() >= 20 and "," not in text and len(text) <= 20 else None
