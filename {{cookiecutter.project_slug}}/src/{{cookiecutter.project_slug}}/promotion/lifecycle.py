"""The lifecycle of a registered model's versions: which moves of its aliases are legal, and how they are made.

dev ──▶ staging ──▶ prod ──▶ archived. Every step can be repeated: a move that was killed half-way is finished by asking
for it again. Each takes its turn (turns.py), so that two processes never move aliases at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ..ports import Move, Mover, Registry, UserError, Version
from .turns import Turns

LIFECYCLE, ARCHIVED, WITHDRAWN = "lifecycle", "archived", "withdrawn"
"""The tag of a version that no longer serves, and its values: retired by a better one; taken back as a mistake."""
BEFORE = "prod.before"
"""Tag: the version that held `prod` when this one got it; the chain of them is the way back."""
ROLLED_BACK_TO = "rollback.to"
"""Tag of a withdrawn version: the one that took its place."""


@dataclass(frozen=True)
class WayBack:
    """A rollback: what is withdrawn, and what serves instead."""

    withdrawn: Version
    serving: Version
    done: bool = False
    """Whether it has happened already."""


class Lifecycle:
    """The aliases of one registered model.

    Args:
        registry: where the model is registered.
        name: the model's name.
        mover: who moves them; kept in each version's history and in the record of moves.
        turns: of the processes that move this model's aliases.
    """

    def __init__(self, registry: Registry, name: str, mover: Mover, turns: Turns) -> None:
        self._registry, self._name, self.mover, self._turns = registry, name, mover, turns

    def holder(self, alias: str) -> Version | None:
        """The version that an alias points to now."""
        return next((version for version in self._registry.versions(self._name) if alias in version.aliases), None)

    def incumbent(self, candidate: Version) -> Version | None:
        """The holder of `prod`; None where there is none, or it is the candidate itself."""
        held = self.holder("prod")
        return None if held is None or held.version == candidate.version else held

    def held(self, to: str) -> dict[str, str | None]:
        """The numbers of the versions that hold `prod` and the alias `to`: what a judgement rests on."""
        held = {alias: version.version for version in self._registry.versions(self._name) for alias in version.aliases}
        return {alias: held.get(alias) for alias in dict.fromkeys((to, "prod"))}

    def version(self, number: str) -> Version:
        """A version by its number, as it is now.

        Raises:
            UserError: there is none.
        """
        return self._registry.find(f"models:/{self._name}/{number}")

    def check(self, version: Version, to: str) -> None:
        """Whether a version may move to `staging` or `prod`, its gates apart.

        Raises:
            UserError: it was withdrawn or retired, or it wants `prod` and does not hold `staging`.
        """
        name = f"{version.name} version {version.version}"
        state = version.tags.get(LIFECYCLE)
        if state == WITHDRAWN:
            raise UserError(f"{name} was withdrawn by a rollback: train a new version")
        if state == ARCHIVED:
            raise UserError(f"{name} was retired from prod: `rollback` is the way back, or train it anew")
        if to == "staging" and "prod" in version.aliases:
            raise UserError(f"{name} holds prod already: there is nothing to stage")
        if to == "prod" and not {"staging", "prod"} & set(version.aliases):
            staged = self.holder("staging")
            now = f"version {staged.version} does" if staged else "no version does"
            raise UserError(f"{name} does not hold staging ({now}): promote it to staging first")

    def promote(
        self,
        version: Version,
        to: str,
        held: Mapping[str, str | None] | None = None,
        *,
        report: str | None = None,
        release: str | None = None,
    ) -> None:
        """Move `staging` or `prod` to a version, as it stands now; what held `prod` becomes `archived`.

        Args:
            version: what its gates have judged.
            to: the alias.
            held: what `held` said before the gates ran; another holder by now is a refusal. None: it was not judged.
            report: the file of the version's run with what the gates found.
            release: the release that the version becomes.

        Raises:
            UserError: an alias moved meanwhile, the move is not legal, or a rollback was cut short and comes first.
            LeaseEndedError: it took too long.
            AliasMovedError: somebody who takes no turns moved the alias at the same time.
        """
        held = self.held(to) if held is None else held
        move = Move("promote", version.version, to, self.mover, version.run_id, held[to], report, release)
        with self._turns.turn(move):
            self._check_held(held, to)
            version = self.version(version.version)  # gates take their time
            self.check(version, to)
            if to == "prod":
                self._archive_before(version)
            if release is not None:
                self._registry.tag(version, {f"release.{to}": release})
            self._move(version, to, report, release)

    def finish(self, version: Version, to: str) -> None:
        """End what a killed process left open in the record of moves, although its last alias was set.

        Raises:
            UserError: the version no longer holds the alias when it is its turn.
        """
        if self._registry.entries(self._name, "open"):
            with self._turns.turn(Move("finish", version.version, to, self.mover, version.run_id, version.version)):
                if to not in self.version(version.version).aliases:
                    raise UserError(
                        f"{self._name}: {to} moved away from version {version.version} meanwhile: ask again"
                    )

    def _check_held(self, held: Mapping[str, str | None], to: str) -> None:
        """Refuse what was judged against other holders of the aliases than those of now."""
        now = self.held(to)
        for alias, number in held.items():
            if now[alias] != number:
                holder = f"version {now[alias]} holds it now" if now[alias] else "no version holds it now"
                then = f", then it was {number}" if number else ""
                raise UserError(
                    f"{self._name}: {alias} moved while the gates ran: {holder}{then}; nothing was moved; ask again"
                )

    def _archive_before(self, version: Version) -> None:
        """What holds `prod` becomes the way back from `version`."""
        before = self.incumbent(version)
        if before is None:
            return
        if before.tags.get(LIFECYCLE) == WITHDRAWN:
            half = f"a rollback of version {before.version} was cut short"
            raise UserError(f"{self._name}: {half}: finish it first, `rollback version={before.version}`")
        self._registry.tag(version, {BEFORE: before.version})
        self._registry.tag(before, {LIFECYCLE: ARCHIVED})
        self._move(before, "archived")

    def way_back(self, withdraw: str | None = None) -> WayBack:
        """What a rollback would do; nothing is moved.

        Args:
            withdraw: number of the version that is to go; None: the one that holds `prod`. Naming it makes a rollback
                safe to repeat.

        Raises:
            UserError: there is no way back, or `prod` is held by another version than the one named.
        """
        bad = self.holder("prod")
        if bad is None:
            raise UserError(f"no version of {self._name} holds prod: there is nothing to roll back")
        if withdraw is not None and bad.version != withdraw:
            named = self.version(withdraw)
            if named.tags.get(LIFECYCLE) == WITHDRAWN:
                return WayBack(named, bad, done=True)
            raise UserError(f"{self._name}: version {bad.version} holds prod, not {withdraw}: nothing was moved")
        if bad.tags.get(LIFECYCLE) == WITHDRAWN:  # a rollback that was cut short had decided already
            return WayBack(bad, self.version(bad.tags[ROLLED_BACK_TO]))
        archived = self.holder("archived")
        if archived and archived.version != bad.version and archived.tags.get(LIFECYCLE) == ARCHIVED:
            return WayBack(bad, archived)
        good = self._earlier(bad)
        if good is None:
            raise UserError(f"{self._name}: nothing held prod before version {bad.version}: there is no way back")
        return WayBack(bad, good)

    def rollback(self, way: WayBack) -> None:
        """Give `prod` back to the version that held it before; the one that holds it is withdrawn for good.

        Raises:
            UserError: another process moved `prod` meanwhile.
            LeaseEndedError: it took too long.
            AliasMovedError: somebody who takes no turns moved the alias at the same time.
        """
        bad, good = way.withdrawn, way.serving
        if way.done:
            self.finish(good, "prod")
            return
        with self._turns.turn(Move("rollback", good.version, "prod", self.mover, good.run_id, bad.version)):
            now = self.way_back(bad.version)
            if now.done or now.serving.version != good.version:
                holder = self.held("prod")["prod"]
                raise UserError(
                    f"{self._name}: version {holder} holds prod now, and the way back from {bad.version} was to "
                    f"{good.version}: another rollback came first; nothing was moved"
                )
            self._withdraw(now)

    def _withdraw(self, way: WayBack) -> None:
        bad, good = way.withdrawn, way.serving
        self._registry.tag(bad, {ROLLED_BACK_TO: good.version, LIFECYCLE: WITHDRAWN})
        for alias in set(bad.aliases) - {"prod"}:
            self._registry.remove_alias(bad, alias, self.mover)
        earlier = self._earlier(good)
        if earlier is not None:
            self._move(earlier, "archived")
        elif (held := self.holder("archived")) is not None:
            self._registry.remove_alias(held, "archived", self.mover)
        self._registry.tag(good, {LIFECYCLE: None})
        self._move(good, "prod")

    def _earlier(self, version: Version) -> Version | None:
        """The newest version that held `prod` before this one and was not withdrawn.

        Where the chain leads to a version that was deleted in the registry, the newest retired one that is left.
        """
        known = {one.version: one for one in self._registry.versions(self._name)}
        number = version.tags.get(BEFORE)
        while number in known and known[number].tags.get(LIFECYCLE) == WITHDRAWN:
            number = known[number].tags.get(BEFORE)
        if number is None or number in known:
            return known[number] if number else None
        left = [one for one in known.values() if one.tags.get(LIFECYCLE) == ARCHIVED and one.version != version.version]
        return max(left, key=lambda one: int(one.version), default=None)

    def _move(self, version: Version, alias: str, report: str | None = None, release: str | None = None) -> None:
        held = self.holder(alias)
        if held is None or held.version != version.version:
            self._registry.set_alias(version, alias, self.mover, report=report, release=release)
