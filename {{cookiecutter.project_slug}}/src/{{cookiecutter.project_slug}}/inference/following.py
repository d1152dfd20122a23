"""Follows a reference to the registry: loads what it leads to, swaps, refuses what is broken, survives an outage."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Event
from typing import Any, Generic, Literal, Protocol, TypeVar

from loguru import logger

from ..ports import Registry, UnreachableError, UserError, Version
from ..schemas.compatibility import incompatibility
from ..schemas.contract import Contract
from .last_good import LastGood, inode
from .references import Resolved

Result = Literal["swapped", "broken", "incompatible", "unavailable"]
"""What became of a version that the reference led to."""


class Model(Protocol):
    """A servable that is loaded, warm and checked."""

    @property
    def resolved(self) -> Resolved:
        """Where it came from."""
        ...

    @property
    def contract(self) -> Contract:
        """What it takes and answers."""
        ...


Loaded = TypeVar("Loaded", bound=Model)


class RefusedError(UserError):
    """A version that is not served, and will not be by trying again."""

    def __init__(self, reason: str, result: Result) -> None:
        super().__init__(reason)
        self.result = result


@dataclass(frozen=True)
class Refused:
    """A version that is not served, without the model that was loaded to find out."""

    version: Version
    result: Result
    reason: str


class Following(Generic[Loaded]):
    """One reference over time. `start` and `poll` are called by one thread; the properties are read by any.

    Args:
        reference: `models:/<name>@<alias>` or `models:/<name>/<version>`.
        registry: opens the registry; called again after it has failed.
        load: makes a servable ready: reads it, warms it up, has it answer its golden rows. Raises UserError.
        last_good: the record on disk.
        swap: takes each model that is to answer from now on.
        count: told what became of each version.
    """

    def __init__(
        self,
        reference: str,
        registry: Callable[[], Registry],
        load: Callable[[Resolved], Loaded],
        last_good: LastGood,
        swap: Callable[[Loaded], None],
        count: Callable[[Result], None],
    ) -> None:
        self._reference, self._open, self._load, self._disk = reference, registry, load, last_good
        self._swap, self._count = swap, count
        self._registry: Registry | None = None
        self._model: Loaded | None = None
        self._refused: Refused | None = None
        self._trouble: str | None = None
        self._from_disk = False
        self._answers: bool | None = None

    @property
    def answers(self) -> bool:
        """Whether the registry answered when it was asked last."""
        return self._answers is True

    @property
    def done(self) -> bool:
        """Whether the reference leads nowhere else any more: a version that is loaded."""
        return self._model is not None and not self._from_disk and "@" not in self._reference

    def describe(self) -> dict[str, Any]:
        """The state for an operator: does the registry answer, is this the last good one, what was refused and why."""
        refused, said = self._refused, None
        if refused is not None:
            said = {"version": refused.version.version, "result": refused.result, "reason": refused.reason}
        return {
            "registry": "answers" if self.answers else "does not answer",
            "from": "last good" if self._from_disk else "registry",
            "trouble": self._trouble,
            "refused": said,
        }

    def start(self) -> None:
        """Load what the reference leads to; where that fails through no mistake of the user, the last good one.

        With neither, while the registry does not answer, nothing is loaded: `poll` goes on trying.

        Raises:
            UserError: the reference is malformed, leads nowhere, or to a version that is refused while there is no
                last good one.
        """
        try:
            version = self._find()
        except UnreachableError as error:
            self._lost(error)
            if not self._fall_back():
                logger.warning("nothing is served: {}; there is no last good servable of {}", error, self._reference)
            return
        self._found()
        try:
            self._take(version)
        except UserError as error:
            self._troubled(version, error)
            if not self._fall_back() and not isinstance(error, UnreachableError):
                raise

    def poll(self) -> None:
        """Look once where the reference leads now, and swap if that is another version that may be served."""
        try:
            version = self._find()
        except UnreachableError as error:
            self._lost(error)
            return
        except UserError as error:  # an alias that was removed, a right that was taken away: what is loaded goes on
            self._found()
            self._say(str(error))
            return
        self._found()
        if self._model is not None and _same(version, self._model.resolved.version):
            self._from_disk, self._refused = False, None
            self._say(None)
        elif self._refused is None or not _same(version, self._refused.version):
            try:
                self._take(version)
            except UserError as error:
                self._troubled(version, error)

    def follow(self, seconds: float, stop: Event) -> None:
        """Poll until `stop` is set, or the reference cannot lead elsewhere."""
        while not self.done and not stop.wait(seconds):
            try:
                self.poll()
            except Exception:
                logger.exception("a look at {} failed; the next one is in {} s", self._reference, seconds)

    def _find(self) -> Version:
        if self._registry is None:
            self._registry = self._open()
        return self._registry.find(self._reference)

    def _take(self, version: Version) -> None:
        """Download, load, record and swap.

        Raises:
            UnreachableError: the registry does not answer any more.
            RefusedError: the version is broken, or clients of the one that is served could not call it.
            UserError: it cannot be downloaded.
        """
        assert self._registry is not None
        with self._using():
            resolved = Resolved(self._reference, self._registry.download(version), version)
            copy = inode(resolved.folder)
            try:
                model = self._checked(resolved)
            except RefusedError as error:  # perhaps only the copy on this disk is damaged
                logger.info("{}; downloading it again", error)
                self._disk.discard(resolved.folder, copy)
                resolved = Resolved(self._reference, self._registry.download(version), version)
                model = self._checked(resolved)
            if self._model is not None and (why := incompatibility(model.contract, self._model.contract)):
                raise RefusedError(f"clients could not call it unchanged: {why}", "incompatible")
            self._record(resolved)
        before, self._model = self._model, model
        self._refused, self._from_disk = None, False
        self._swap(model)
        self._count("swapped")
        self._say(None)
        old = f" instead of {before.resolved.version.version}" if before and before.resolved.version else ""
        logger.info("{} is version {}{}", self._reference, version.version, old)
        self._tidy(version.name)

    @contextmanager
    def _using(self) -> Iterator[None]:
        """Hold the cache.

        Raises:
            UserError: it cannot be written.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(self._disk.using())
            except OSError as error:
                raise UserError(f"the cache cannot be used: {error.filename}: {error.strerror}") from None
            yield

    def _checked(self, resolved: Resolved) -> Loaded:
        try:
            return self._load(resolved)
        except (MemoryError, OSError) as error:  # of this machine or this moment, not of the version
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise UserError(f"{resolved.folder} cannot be loaded now ({reason})") from None
        except Exception as error:  # whatever a damaged file makes a parser raise
            reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            raise RefusedError((reason.splitlines() or [""])[0], "broken") from None

    def _record(self, resolved: Resolved) -> None:
        try:
            self._disk.write(resolved)
        except OSError as error:
            logger.warning("{} is not recorded as the last good one: {}", resolved.folder, error)

    def _tidy(self, model: str) -> None:
        try:
            self._disk.clean(model)
        except OSError as error:
            logger.warning("old servables of {} are not removed: {}", model, error)

    def _fall_back(self) -> bool:
        """Serve the last good servable of this disk; whether there is one."""
        for resolved in self._disk.read():
            try:
                model = self._checked(resolved)
            except UserError as error:
                logger.error("the last good servable does not load: {}", error)
                continue
            self._model, self._from_disk = model, True
            self._swap(model)
            version = resolved.version.version if resolved.version else None
            logger.warning("serving the last good servable of {}, version {}", self._reference, version)
            return True
        return False

    def _troubled(self, version: Version, error: UserError) -> None:
        if isinstance(error, UnreachableError):
            self._lost(error)
        elif isinstance(error, RefusedError):
            self._refused, self._trouble = Refused(version, error.result, str(error)), None
            self._count(error.result)
            logger.error("version {} of {} is refused: {}", version.version, self._reference, error)
        elif self._say(f"version {version.version} cannot be had: {error}"):
            self._count("unavailable")

    def _lost(self, error: UnreachableError) -> None:
        if self._answers is not False:
            logger.warning("the registry does not answer, trying on: {}", error)
        self._answers = False

    def _found(self) -> None:
        if self._answers is False:
            logger.info("the registry answers again")
        self._answers = True

    def _say(self, trouble: str | None) -> bool:
        """Log a trouble when it is new; whether it is."""
        new = trouble is not None and trouble != self._trouble
        if new:
            logger.warning("{}: {}", self._reference, trouble)
        self._trouble = trouble
        return new


def _same(one: Version, other: Version | None) -> bool:
    return other is not None and (one.name, one.version, one.run_id) == (other.name, other.version, other.run_id)
