"""Tables and figures as Markdown."""

from collections.abc import Mapping, Sequence

from .case import Figures


def number(value: object) -> str:
    """Five significant digits; a dash where there is none."""
    return f"{value:.5g}" if isinstance(value, float | int) else "–"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in line) + " |" for line in lines]


def groups(figures: Figures) -> list[str]:
    """The lines of a table with a row for each group of figures; none where there is no group."""
    found = {name: value for name, value in figures.items() if isinstance(value, Mapping)}
    names = list(dict.fromkeys(name for value in found.values() for name in value))
    return table(["", *names], [[name, *(number(value.get(key)) for key in names)] for name, value in found.items()])


def figures_of(title: str, figures: Figures, level: int) -> list[str]:
    """A section for what a gate measured: plain figures in a line, groups as a table; nothing where there is nothing.

    A group of groups is a section of its own.
    """
    plain = [f"{name} {number(value)}" for name, value in figures.items() if not isinstance(value, Mapping)]
    flat = {name: value for name, value in figures.items() if isinstance(value, Mapping) and not _deep(value)}
    flat = {name: value for name, value in flat.items() if value}
    parts = [part for part in ([", ".join(plain)] if plain else [], groups(flat) if flat else []) if part]
    found = ["", f"{'#' * level} {title}"] if parts else []
    for part in parts:
        found += ["", *part]
    for name, value in figures.items():
        if isinstance(value, Mapping) and _deep(value):
            found += figures_of(f"{title}: {name}", value, level)
    return found


def _deep(figures: Figures) -> bool:
    return any(isinstance(value, Mapping) for value in figures.values())
