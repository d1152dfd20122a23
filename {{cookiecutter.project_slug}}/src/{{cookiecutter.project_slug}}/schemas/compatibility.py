"""Whether one servable may take another's place under the clients that call it."""

from .contract import Column, Contract


def incompatibility(candidate: Contract, incumbent: Contract) -> str | None:
    """Why clients of the incumbent could not call the candidate unchanged; None where they can.

    Every target keeps name, kind and classes; no input is dropped (a client that sends it would be refused), changes
    kind or width, or becomes required; no new input is required.
    """
    targets = {target.name: target for target in candidate.targets}
    for target in incumbent.targets:
        if target.name not in targets:
            return f"target {target.name!r} is gone"
        if targets[target.name].identity != target.identity:
            return f"target {target.name!r} has another kind or other classes"
    before = {column.name: column for column in incumbent.columns}
    after = {column.name: column for column in candidate.columns}
    for name, old in before.items():
        new = after.get(name)
        if new is None:
            return f"column {name!r} is gone"
        if (new.kind, new.width, new.role == "key") != (old.kind, old.width, old.role == "key"):
            return f"column {name!r} was {_described(old)} and is now {_described(new)}"
        if old.missing and not new.missing:
            return f"column {name!r} may no longer be missing"
    for name, new in after.items():
        if name not in before and new.role != "key" and not new.missing:
            return f"column {name!r} is new and may not be missing"
    return None


def _described(column: Column) -> str:
    role = "key" if column.role == "key" else column.kind
    return role if column.width == 1 else f"{role} of width {column.width}"
