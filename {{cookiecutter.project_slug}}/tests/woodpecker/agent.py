"""An agent: it clones as Woodpecker's plugin does, and runs the steps' commands with nothing else in the environment."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from .events import SERVER, Event
from .text import PipelineError
from .workflows import Step, Workflow, started

DOCKER = (
    "docker", "git", "sh",
    "awk", "basename", "cat", "chmod", "cp", "cut", "date", "dirname", "echo", "env", "expr", "false", "find", "grep",
    "head", "id", "ln", "ls", "mkdir", "mktemp", "mv", "printf", "pwd", "readlink", "realpath", "rm", "rmdir", "sed",
    "sleep", "sort", "stat", "tail", "tar", "tee", "test", "touch", "tr", "true", "uname", "uniq", "wc", "xargs",
)  # fmt: skip
"""All that the image `docker` has: the client, git, and some of what its Alpine brings; no make, uv or Python."""
PYTHON = ("uv", "git", "make", "kubectl")
"""What a step of any other image finds beside what this machine's system has; kubectl is there for a stand-in."""
Watch = Callable[["subprocess.Popen[bytes]", str], None]
"""Called beside a step that runs, with its process and its name."""
Before = Callable[[str], None]
"""Called before a step, with its name."""
MASK = "********"


@dataclass(frozen=True)
class Outcome:
    """What became of one step."""

    workflow: str
    step: str
    code: int | None
    """None: it did not run."""
    output: str = ""


@dataclass(frozen=True)
class Pipeline:
    """What became of all that an event started."""

    outcomes: tuple[Outcome, ...]
    failed: frozenset[str]
    """Workflows that failed."""

    @property
    def workflows(self) -> list[str]:
        """Those that ran, in order."""
        return list(dict.fromkeys(one.workflow for one in self.outcomes if one.code is not None))

    @property
    def passed(self) -> bool:
        """Whether something ran and nothing failed."""
        return bool(self.workflows) and not self.failed

    @property
    def output(self) -> str:
        """All that was printed."""
        return "".join(f"── {one.workflow}/{one.step}: {one.code}\n{one.output}" for one in self.outcomes)

    def codes(self, workflow: str) -> dict[str, int | None]:
        """The steps' exit codes."""
        return {one.step: one.code for one in self.outcomes if one.workflow == workflow}


@dataclass(frozen=True)
class Agent:
    """One that runs pipelines in folders of its own.

    Args:
        folder: for clones and the steps' homes.
        tools: what `tools` has made: folders of programs, by the image that brings them.
        secrets: of the repository, by name.
        given: variables that the agent's administrator sets for all steps (`WOODPECKER_ENVIRONMENT`).
        volumes: folders of this machine, by the path that the agent mounts them under; where a variable of a step is
            such a path, it is the folder here.
        environment: an empty folder that every clone has as its `.venv`, so that `make setup` fills it once.
    """

    folder: Path
    tools: Path
    secrets: dict[str, str] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)
    volumes: Mapping[str, Path] = field(default_factory=dict)
    environment: Path | None = None

    def run(
        self,
        event: Event,
        watch: Watch | None = None,
        before: Before | None = None,
        given: Mapping[str, str] | None = None,
        change: Callable[[Path], None] | None = None,
    ) -> Pipeline:
        """Everything that an event starts.

        Args:
            event: that has happened.
            watch: called beside each step.
            before: called before each step.
            given: further variables for all steps.
            change: is called with the folder that the files are read from, before they are: for a test that shows what
                a mistake in them would do.

        Raises:
            PipelineError: the files do not say what Woodpecker would do.
        """
        read = self._clone(event, {"depth": 1})
        if change:
            change(read / ".woodpecker")
        workflows = started(read, event, self.secrets)
        outcomes: list[Outcome] = []
        failed: set[str] = set()
        for workflow in workflows:
            if any(name in failed for name, _ in workflow.depends_on) and not workflow.on_failure:
                failed.add(workflow.name)
                outcomes += [Outcome(workflow.name, step.name, None) for step in workflow.steps]
                continue
            done, well = self._workflow(workflow, event, watch, before, dict(self.given) | dict(given or {}))
            outcomes += done
            if not well:
                failed.add(workflow.name)
        return Pipeline(tuple(outcomes), frozenset(failed))

    def _workflow(
        self,
        workflow: Workflow,
        event: Event,
        watch: Watch | None,
        before: Before | None,
        given: Mapping[str, str],
    ) -> tuple[list[Outcome], bool]:
        """Its steps in one clone, which they share with no other workflow; and whether none failed."""
        clone, well = self._clone(event, workflow.settings), True
        outcomes = []
        for number, step in enumerate(workflow.steps, 1):
            if not (step.on_success if well else step.on_failure):
                outcomes.append(Outcome(workflow.name, step.name, None))
                continue
            own = {
                "CI_WORKSPACE": str(clone),
                "CI_STEP_NAME": step.name,
                "CI_STEP_NUMBER": str(number),
                "CI_STEP_URL": f"{SERVER}/repos/7/pipeline/{event.number}/{number}",
            }
            if self.environment:
                own["UV_PROJECT_ENVIRONMENT"] = str(self.environment)
            environment = dict(given) | event.variables(workflow.name) | own | dict(step.environment)
            environment = {name: str(self.volumes.get(value, value)) for name, value in environment.items()}
            if before:
                before(step.name)
            code, output = self._shell(step, clone, environment, watch)
            outcomes.append(Outcome(workflow.name, step.name, code, output))
            well = well and (code == 0 or step.ignored)
        return outcomes, well

    def _shell(self, step: Step, clone: Path, environment: Mapping[str, str], watch: Watch | None) -> tuple[int, str]:
        """Exit code and output of the commands, which the shell reads from its standard input, as Woodpecker has it.

        Unlike there a variable that is not set is an error, since it is nearly always a slip.
        """
        home = Path(mkdtemp(prefix="home-", dir=self.folder))
        only = self.tools / "docker"
        path = str(only) if step.image == only.name else f"{self.tools / 'python'}:/usr/bin:/bin"
        output = home / "output"  # no pipe: what a killed step leaves behind may hold one open
        script = "".join(f"{command}\n" for command in step.commands)
        with output.open("wb") as log:
            process = subprocess.Popen(
                ["/bin/sh", "-eu"],
                cwd=clone,
                env={"PATH": path, "HOME": str(home)} | dict(environment),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            beside = threading.Thread(target=watch, args=(process, step.name)) if watch else None
            if beside:
                beside.start()
            try:
                process.communicate(script.encode())
            finally:
                with suppress(ProcessLookupError):  # what a step left running ends with its container
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                if beside:
                    beside.join()
        text = output.read_text(encoding="utf-8", errors="replace")
        for secret in (value for value in self.secrets.values() if len(value) > 3):
            text = text.replace(secret, MASK)
        shutil.rmtree(home)
        return process.returncode, text

    def _clone(self, event: Event, settings: Mapping[str, object]) -> Path:
        """The event's commit in a new folder, with as much history and as many tags as the settings ask for."""
        partial, tags = settings.get("partial", True), settings.get("tags", event.name == "tag")
        partial = partial and not tags
        depth = 1 if partial else int(str(settings.get("depth", 0)))
        clone = Path(mkdtemp(prefix="clone-", dir=self.folder))
        self._git(clone, "init", "--quiet", "--initial-branch", event.branch or "main")
        self._git(clone, "remote", "add", "origin", event.origin.as_uri())
        how = ["--tags" if tags else "--no-tags", *([f"--depth={depth}"] if depth else [])]
        self._git(clone, "fetch", "--quiet", *how, "origin", f"+{event.ref}:")
        self._git(clone, "checkout", "--quiet", "--force", "FETCH_HEAD")
        if (there := self._git(clone, "rev-parse", "HEAD")) != event.commit:
            raise PipelineError(f"{event.ref} is {there} by now, not {event.commit}")
        if self.environment:
            (clone / ".venv").symlink_to(self.environment)
        return clone

    def _git(self, folder: Path, *arguments: str) -> str:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise PipelineError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout.strip()


def tools(folder: Path, *others: Path) -> Path:
    """A folder with one folder each of what the images bring: `docker` of the image of that name, `python` of others.

    Args:
        folder: to be made.
        others: folders whose programs come before those of the same name.
    """
    places = os.pathsep.join((*map(str, others), os.environ["PATH"]))
    for image, names in (("docker", DOCKER), ("python", PYTHON)):
        (folder / image).mkdir(parents=True)
        for name in names:
            if found := shutil.which(name, path=places):
                (folder / image / name).symlink_to(found)
    base = Path(sys.base_prefix) / "bin"
    for name in ("python3", f"python3.{sys.version_info.minor}"):
        if (base / name).exists():
            (folder / "python" / name).symlink_to(base / name)
    return folder
