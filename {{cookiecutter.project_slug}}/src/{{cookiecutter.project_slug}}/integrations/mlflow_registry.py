"""Registered models in MLflow: versions, and the aliases that point to them."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..ports import HAND, AliasMovedError, Entry, Move, Mover, RunFacts, State, Tracker, UserError, Version
from ..schemas.contract import CONTRACT_FILE, CONTRACT_TAG, Contract
from ..utils.files import replacing, sha256
from . import mlflow_moves
from .mlflow_history import HISTORY_TAG, extended
from .mlflow_store import SQLITE, asking_once, client, one_line, shown

if TYPE_CHECKING:
    from mlflow import MlflowClient

REFERENCE = re.compile(r"models:/(?P<name>[^/@]+)(@(?P<alias>[^/@]+)|/(?P<version>\d+))")
TARGET_TAG, KIND_TAG = "target", "kind"


class MlflowRegistry:
    """The registry of one MLflow store; a Registry.

    Args:
        tracking_uri: the store.
        cache_dir: where servables are downloaded to; None where none are.
    """

    def __init__(self, tracking_uri: str, cache_dir: Path | None = None) -> None:
        self._uri, self._cache = tracking_uri, cache_dir
        self._check: Callable[[], None] | None = None

    @cached_property
    def _client(self) -> "MlflowClient":
        return client(self._uri)

    @property
    def embedded(self) -> bool:
        """Whether the store is a file of this machine."""
        return self._uri.startswith(SQLITE)

    def find(self, reference: str) -> Version:
        """The version that a reference means; see `ports.Registry`."""
        match = REFERENCE.fullmatch(reference)
        if match is None:
            raise UserError(f"{reference!r} is not models:/<name>@<alias> or models:/<name>/<version>")
        name, alias = match["name"], match["alias"]
        with one_line(self._uri):
            aliases = self._aliases(name)
            number = aliases.get(alias) if alias else match["version"]
            if number is None:
                known = ", ".join(sorted(aliases)) or "none"
                raise UserError(
                    f"no version of {name} at {shown(self._uri)} has the alias {alias!r}; aliases that are set: {known}"
                )
            versions = self._client.search_model_versions(f"name='{name}' and version_number={number}")
            if not versions:
                raise UserError(f"{name} has no version {number} at {shown(self._uri)}")
            (found,) = versions
        return _version(found, aliases)

    def versions(self, name: str) -> list[Version]:
        """All versions with their aliases, the newest first, in two requests; see `ports.Registry`."""
        with one_line(self._uri):
            aliases = self._aliases(name)
            found, token = [], None
            while token != "":
                page = self._client.search_model_versions(f"name='{name}'", max_results=1000, page_token=token)
                found += page
                token = page.token or ""
        return sorted((_version(one, aliases) for one in found), key=lambda one: -int(one.version))

    def registered(self, name: str, run_id: str) -> Version | None:
        """The newest version of a model that comes from a run; None where there is none."""
        with one_line(self._uri):
            found = self._client.search_model_versions(f"name='{name}' and run_id='{run_id}'")
            if not found:
                return None
            return _version(max(found, key=lambda one: int(one.version)), self._aliases(name))

    def run_status(self, version: Version) -> str:
        """How the version's run ended; see `ports.Registry`."""
        from mlflow.exceptions import MlflowException

        if version.run_id is None:
            return "absent"
        with one_line(self._uri):
            try:
                info = self._client.get_run(version.run_id).info
                return "deleted" if info.lifecycle_stage == "deleted" else str(info.status)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                return "absent"

    def run_facts(self, run_id: str) -> RunFacts:
        """What a run recorded of itself; see `ports.Registry`."""
        with one_line(self._uri):
            data = self._client.get_run(run_id).data
        return RunFacts(dict(data.metrics), dict(data.tags))

    def download(self, version: Version) -> Path:
        """The version's servable as a directory, kept in the cache: a version's bytes never change.

        Raises:
            UserError: the store holds other bytes by now, or does not give them.
        """
        import mlflow

        if self._cache is None:
            raise ValueError("this registry was opened without a cache_dir to download to")
        # stores may share names and numbers, but not runs
        target = self._cache / version.name / f"{version.version}-{version.run_id}"
        if not (target / CONTRACT_FILE).is_file():
            with one_line(self._uri), replacing(target) as aside:
                source = f"models:/{version.name}/{version.version}"
                aside.mkdir(parents=True)
                mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=str(aside))
                _check_contract(version, aside)
        return target

    def register(self, tracker: Tracker, servable: Path, tags: Mapping[str, str]) -> Version:
        """Register a run's servable under the contract's name; see `ports.Registry`."""
        contract = Contract.read(servable)
        address = tracker.servable(servable)
        with one_line(self._uri):
            self._create(contract)
            facts = {TARGET_TAG: contract.target.name, KIND_TAG: contract.target.kind, **tags}
            facts[CONTRACT_TAG] = sha256(servable / CONTRACT_FILE)
            made = self._client.create_model_version(
                contract.name, address, run_id=tracker.run_id, tags=facts, model_id=address.removeprefix("models:/")
            )
        return Version(contract.name, str(made.version), tracker.run_id, (), facts)

    def set_alias(
        self, version: Version, alias: str, by: Mover = HAND, *, report: str | None = None, release: str | None = None
    ) -> None:
        """Point an alias to a version, and read it back; see `ports.Registry`."""
        with one_line(self._uri):
            before = self._client.get_registered_model(version.name).aliases.get(alias)
            held = None if before is None else str(before)
            self._remember(version, alias, by, {"before": held, "report": report, "release": release})
            self._may_write()
            self._client.set_registered_model_alias(version.name, alias, version.version)
            now = self._client.get_registered_model(version.name).aliases.get(alias)
        if str(now) != version.version:
            raise AliasMovedError(f"{version.name}: {alias} was set to version {version.version}, and reads {now}")

    def remove_alias(self, version: Version, alias: str, by: Mover) -> None:
        """Take an alias away from the version that holds it; see `ports.Registry`."""
        with one_line(self._uri):
            self._remember(version, alias, by, {"removed": True})
            self._may_write()
            self._client.delete_registered_model_alias(version.name, alias)

    def tag(self, version: Version, facts: Mapping[str, str | None]) -> None:
        """Record facts about a version; see `ports.Registry`."""
        with one_line(self._uri):
            for key, value in facts.items():
                if value is not None:
                    self._may_write()
                    self._client.set_model_version_tag(version.name, version.version, key, value)
                elif key in self._client.get_model_version(version.name, version.version).tags:
                    self._may_write()
                    self._client.delete_model_version_tag(version.name, version.version, key)

    def append(self, name: str, move: Move) -> Entry:
        """Add an entry to the record of moves; see `ports.Registry`."""
        with one_line(self._uri):
            return mlflow_moves.append(self._client, name, move)

    def entries(self, name: str, state: State | None = None) -> list[Entry]:
        """The record of moves; see `ports.Registry`."""
        with one_line(self._uri):
            return mlflow_moves.read(self._client, name, state)

    def close(self, entry: Entry, state: State) -> None:
        """Say how a move ended; see `ports.Registry`."""
        with one_line(self._uri):
            mlflow_moves.close(self._client, entry, state)

    @contextmanager
    def guarded(self, check: Callable[[], None], seconds: float) -> Iterator[None]:
        """Call `check` before every write within the block; see `ports.Registry`."""
        self._check = check
        try:
            with nullcontext() if self.embedded else asking_once(max(1, int(seconds))):
                yield
        finally:
            self._check = None

    def _may_write(self) -> None:
        if self._check is not None:
            self._check()

    def describe(self, version: Version, text: str) -> None:
        """Say what a version is; see `ports.Registry`."""
        with one_line(self._uri):
            self._client.update_model_version(version.name, version.version, text)

    def attach(self, version: Version, path: Path, folder: str) -> None:
        """Keep a file with the version's run; see `ports.Registry`."""
        with one_line(self._uri):
            self._client.log_artifact(version.run_id, str(path), folder)

    def attached(self, version: Version, path: str) -> str | None:
        """The text of a file that was kept with the version's run; see `ports.Registry`."""
        import mlflow

        folder = path.rpartition("/")[0]
        with one_line(self._uri):
            if path not in {artifact.path for artifact in self._client.list_artifacts(version.run_id, folder)}:
                return None
            return str(mlflow.artifacts.load_text(f"runs:/{version.run_id}/{path}"))

    def _aliases(self, name: str) -> Mapping[str, str]:
        """A model's aliases with their versions' numbers; reading makes no store, as MLflow's client would."""
        database = Path(self._uri.removeprefix(SQLITE))
        if self.embedded and not database.is_file():
            raise UserError(f"there is no {database} in {Path.cwd()}: train first, or set MLFLOW_TRACKING_URI")
        found = self._client.search_registered_models(f"name='{name}'")
        if not found:
            raise UserError(f"there is no registered model {name!r} at {shown(self._uri)}: train it first")
        return {alias: str(number) for alias, number in found[0].aliases.items()}  # sqlite answers numbers

    def _remember(self, version: Version, alias: str, by: Mover, what: Mapping[str, object]) -> None:
        """Append to the version's history before the alias moves, so that a kill in between loses nothing."""
        tags = self._client.get_model_version(version.name, version.version).tags
        other = what.get("before") not in (None, version.version)
        holder = self._client.get_model_version(version.name, str(what["before"])).tags if other else {}
        history = extended(version.version, tags, alias, by, what, holder)
        self._may_write()
        self._client.set_model_version_tag(version.name, version.version, HISTORY_TAG, history)

    def check_target(self, name: str, target: str, kind: str) -> None:
        """Refuse a name that is taken by a model of another target."""
        with one_line(self._uri):
            models = self._client.search_registered_models(f"name='{name}'")
        if models and TARGET_TAG in models[0].tags:
            taken = models[0].tags[TARGET_TAG], models[0].tags.get(KIND_TAG)
            if taken != (target, kind):
                raise UserError(
                    f"the registered model {name} predicts {taken[0]} ({taken[1]}), not {target} ({kind}): "
                    "set mlflow.model and mlflow.experiment to another name"
                )

    def _create(self, contract: Contract) -> None:
        """Make the registered model at its first version; another process may be making it too."""
        from mlflow.exceptions import MlflowException

        facts = {TARGET_TAG: contract.target.name, KIND_TAG: contract.target.kind}
        try:
            self._client.create_registered_model(contract.name, tags=facts)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


def read_metrics(tags: Mapping[str, str]) -> dict[str, float]:
    """Metrics on the held-out rows, without what other hands have written under such a name."""
    found = {}
    for name, value in tags.items():
        with suppress(ValueError):
            if name.startswith("test/") and math.isfinite(float(value)):
                found[name] = float(value)
    return found


def _check_contract(version: Version, folder: Path) -> None:
    """Refuse what is not what was registered; a version without the tag is another hand's."""
    registered, file = version.tags.get(CONTRACT_TAG), folder / CONTRACT_FILE
    if registered is not None and (not file.is_file() or sha256(file) != registered):
        raise UserError(
            f"version {version.version} of {version.name} is not what was registered: the sha256 of its "
            f"{CONTRACT_FILE} is not that of the tag {CONTRACT_TAG}; its files were changed since: train it anew"
        )


def _version(found: Any, aliases: Mapping[str, str]) -> Version:
    number = str(found.version)
    held = tuple(sorted(key for key, value in aliases.items() if str(value) == number))
    return Version(found.name, number, found.run_id, held, dict(found.tags), found.creation_timestamp / 1000)
