"""Text from models, tables and errors, as text: Streamlit reads Markdown nearly everywhere."""

import re
from collections.abc import Sequence

import streamlit as st

_READ_AS_MARKDOWN = re.compile(
    r"[\\`\[\]<>~]"  # code, links, colours, HTML, strikethrough
    r"|(?<=\S)\*|\*(?=\S)|(?<!\w)_|_(?!\w)"  # emphasis, which stands at words
    r"|\$(?=.*\$)|(?<=\$)\$|:(?=[\w/])|&(?=#?\w+;)"  # formulas, which come in pairs; icons and addresses; entities
    r"|^[#+=-]|(?<=^\d)[.)]"  # headings and lists
)
"""No more than that: a label is also what screen readers say, and they say the backslashes too."""


def literal(text: str) -> str:
    """The text on one line, with nothing in it that Markdown would read."""
    return _READ_AS_MARKDOWN.sub(r"\\\g<0>", " ".join(text.split()))


def pairs(rows: Sequence[tuple[str, str]]) -> None:
    """Names and values below each other."""
    cells = {"what": [f"**{literal(name)}**" for name, _ in rows], "value": [literal(value) for _, value in rows]}
    st.table(cells, border="horizontal", hide_header=True, hide_index=True)
