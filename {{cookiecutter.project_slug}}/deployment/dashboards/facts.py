"""What is told of a model, a report and a scored table, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from {{ cookiecutter.project_slug }}.schemas.contract import Contract

from . import words
from .form import Field
from .served import Served, title
from .tables import Scored


@dataclass(frozen=True)
class Gate:
    """One gate's verdict."""

    name: str
    verdict: str
    reason: str


def version(served: Served) -> str:
    """Which version is served, for a badge."""
    return f"version {served.version}" if served.version else "from a directory"


def purpose(served: Served) -> str:
    """What the model does, in a sentence."""
    names = [f"{target.name} ({target.unit})" if target.unit else target.name for target in served.contract.targets]
    return f"Predicts {' and '.join(names)} from {len(served.contract.inputs)} columns"


def origin(served: Served) -> dict[str, str]:
    """Where the served version comes from, by name."""
    made = served.contract.provenance
    dirty = " with changes that were not committed" if made and made.dirty else ""
    found = {
        "Reference": served.reference,
        "Version": served.version or "none: a directory",
        "Alias": served.alias or "none",
        "Registered": words.moment(served.registered),
        "Run": served.run_id or "not recorded",
        "Commit": f"{made.commit[:12]}{dirty}" if made and made.commit else "not recorded",
        "Data": f"sha256 {made.data[:12]}…" if made else "not recorded",
    }
    following = served.following
    if following is not None:
        trouble = following.get("trouble")
        found["Registry"] = following["registry"] + (f"; {trouble}" if trouble else "")
        if following.get("from") == "last good":
            found["Served from"] = "the last good copy on the service's disk"
        refused = following.get("refused")
        if refused:
            found["Refused"] = f"version {refused['version']}: {refused['reason']}"
    return found


def gates(report: Mapping[str, Any]) -> list[Gate]:
    """The verdicts of a report."""
    return [Gate(gate["gate"], gate["verdict"], gate["reason"]) for gate in report["gates"]]


def report_line(report: Mapping[str, Any]) -> str:
    """Who asked for what, when, and against which version."""
    against = f"version {report['incumbent']}" if report.get("incumbent") else "nothing: it was the first"
    asked = f"Version {report['version']} to {report['to']}, asked by {report['by']} at {words.moment(report['at'])}"
    return f"{asked}; compared with {against}."


def columns(contract: Contract) -> pa.Table:
    """The contract's columns, a row each."""
    rows = [
        {
            "column": column.name,
            "kind": "key" if column.role == "key" else column.kind,
            "unit": column.unit or "",
            "may be missing": "yes" if column.missing else "no",
            "notes": Field(column).notes,
        }
        for column in contract.columns
    ]
    return pa.Table.from_pylist(rows)


def uploaded(called: str) -> str:
    """Which table it is that a press of the button scores."""
    return f"Uploaded: {called}"


def scored_line(scored: Scored) -> str:
    """Which model answered, and whether it answered every row."""
    left_out = "; rows that do not fit are listed below, with the reason" if scored.rejects is not None else ""
    return f"Answered by {title(scored.model)}{left_out}."
