"""Text from models, tables and errors, as text: Streamlit reads Markdown nearly everywhere."""

import re

_READ_AS_MARKDOWN = re.compile(
    r"[\\`\[\]<>~]"  # code, links, colours, HTML, strikethrough
    r"|(?<=\S)\*|\*(?=\S)|(?<!\w)_|_(?!\w)"  # emphasis, which stands at words
    r"|\$(?=.*\$)|(?<=\$)\$|:(?=\w)|&(?=#?\w+;)"  # formulas, which come in pairs; icons; entities
    r"|^[#+=-]|(?<=^\d)[.)]"  # headings and lists
)
"""No more than that: a label is also what screen readers say, and they say the backslashes too."""


def literal(text: str) -> str:
    """The text on one line, with nothing in it that Markdown would read."""
    return _READ_AS_MARKDOWN.sub(r"\\\g<0>", " ".join(text.split()))
