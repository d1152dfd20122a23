"""Tables and figures as Markdown."""

from collections.abc import Mapping, Sequence

from .case import Figures


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def figures_of(title: str, figures: Figures) -> list[str]:
    """A section for what a gate measured: plain figures in a line, groups of them as the rows of a table; none of none.

    Groups within a group are a section of their own.
    """
    plain = [f"{name} {_number(value)}" for name, value in figures.items() if not isinstance(value, Mapping)]
    groups = {name: value for name, value in figures.items() if isinstance(value, Mapping)}
    deeper = {name: value for name, value in groups.items() if any(isinstance(v, Mapping) for v in value.values())}
    flat = {name: value for name, value in groups.items() if value and name not in deeper}
    lines = [", ".join(plain)] if plain else []
    if flat:
        names = list(dict.fromkeys(name for value in flat.values() for name in value))
        rows = [[name, *(_number(value.get(key)) for key in names)] for name, value in flat.items()]
        lines += [*([""] if lines else []), *table(["", *names], rows)]
    found = ["", f"## {title}", "", *lines] if lines else []
    for name, value in deeper.items():
        found += figures_of(f"{title}: {name}", value)
    return found


def _number(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float | int) else "–"
