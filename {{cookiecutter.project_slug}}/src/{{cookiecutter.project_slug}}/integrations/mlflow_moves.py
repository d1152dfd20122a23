"""The record of moves in MLflow: a registered model of its own, `<model>.moves`, whose versions are the entries.

MLflow has no compare-and-set, but it numbers versions one after the other, whoever makes them, and writes their tags
with them: all processes see one order. No number comes twice, even where a version is deleted.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..ports import RECORD, Entry, Move, Mover, State

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

STATE, NEEDED = "state", {"state", "kind", "version", "to", "by"}
"""The tag that may change, and all those that make a version an entry."""
PAGE = 1000


def append(client: "MlflowClient", name: str, move: Move) -> Entry:
    """A new open entry; its source is where the gates' report lies."""
    _begin(client, name)
    tags = {STATE: "open", **facts(move)}
    made = _append_to_run(client, name, move, tags) if move.run_id else None
    if made is None:  # a source without a run; a server takes no made-up path that is not absolute
        source = f"moves:/{name}/{move.version}"
        made = client.create_model_version(f"{name}{RECORD}", source, tags=tags, await_creation_for=0)
    return _entry(name, made, tags)


def read(client: "MlflowClient", name: str, state: State | None) -> list[Entry]:
    """The entries, the newest first; none where there is no record."""
    wanted = f"name='{name}{RECORD}'" + (f" and tags.{STATE}='{state}'" if state else "")
    found: list[ModelVersion] = []
    token: str | None = None
    while token != "":
        page = client.search_model_versions(wanted, max_results=PAGE, page_token=token)
        found += page
        token = page.token or ""
    entries = [_entry(name, one, one.tags) for one in found if set(one.tags) >= NEEDED]
    return sorted(entries, key=lambda entry: -entry.number)


def close(client: "MlflowClient", entry: Entry, state: State) -> None:
    """Say how a move ended."""
    client.set_model_version_tag(f"{entry.name}{RECORD}", str(entry.number), STATE, state)


def _begin(client: "MlflowClient", name: str) -> None:
    """Make the registered model at the first entry; another process may be making it too."""
    from mlflow.exceptions import MlflowException

    record = f"{name}{RECORD}"
    if client.search_registered_models(f"name='{record}'"):
        return
    try:
        client.create_registered_model(
            record, description=f"The moves of {name}'s aliases: its versions are no models."
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _append_to_run(client: "MlflowClient", name: str, move: Move, tags: Mapping[str, str]) -> "ModelVersion | None":
    """An entry that leads to the run; None where a server refuses that, since the run was deleted for good."""
    from mlflow.exceptions import MlflowException

    source = f"runs:/{move.run_id}/promotion/{move.version}"
    try:
        return client.create_model_version(
            f"{name}{RECORD}", source, run_id=move.run_id, tags=dict(tags), await_creation_for=0
        )
    except MlflowException as error:
        if error.error_code != "PERMISSION_DENIED":
            raise
        return None


def facts(move: Move) -> dict[str, str]:
    """What an entry says of its move, by the names of its tags; what it does not say is left out."""
    said = {
        "kind": move.kind,
        "version": move.version,
        "to": move.to,
        "by": move.mover.by,
        "pipeline": move.mover.pipeline,
        "commit": move.mover.commit,
        "before": move.before,
        "report": move.report,
        "release": move.release,
    }
    return {key: value for key, value in said.items() if value is not None}


def _entry(name: str, found: "ModelVersion", tags: Mapping[str, Any]) -> Entry:
    move = Move(
        kind=tags["kind"],
        version=tags["version"],
        to=tags["to"],
        mover=Mover(tags["by"], tags.get("pipeline"), tags.get("commit")),
        run_id=found.run_id or None,
        before=tags.get("before"),
        report=tags.get("report"),
        release=tags.get("release"),
    )
    return Entry(name, int(found.version), move, tags[STATE], found.creation_timestamp / 1000)
