"""Text from models, tables and errors, as text: Streamlit reads Markdown nearly everywhere."""

import re

_SPECIAL = re.compile(r"([!-/:-@\[-`{-~])")


def literal(text: str) -> str:
    """The text with nothing in it that Markdown would read, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
