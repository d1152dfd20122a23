"""Images of a copy of the project, and containers of them that are as locked up as in production and gone in the end."""

import functools
import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from tests import repositories
from tests.pages import copy_of_the_project
from tests.project import PACKAGE, ROOT

PATIENCE = 180
"""Seconds after which a container that does not come up is given up."""
LOCKED_UP = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
OPENER = build_opener(ProxyHandler({}))
"""Straight to this machine, whatever proxy the environment names."""


@functools.cache
def trouble() -> str | None:
    """Why no container can be run here; None where one can."""
    try:
        done = subprocess.run(["docker", "info"], capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        return "there is no docker on the PATH"
    except subprocess.TimeoutExpired:
        return "`docker info` does not answer"
    lines = done.stderr.strip().splitlines() or ["it failed"]
    return f"`docker info`: {lines[-1]}" if done.returncode else None


@functools.cache
def no_compose() -> str | None:
    """Why compose.yaml cannot be read here; None where it can. It takes the client alone, and no engine."""
    try:
        done = subprocess.run(["docker", "compose", "version"], capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        return "there is no docker on the PATH"
    return "`docker compose version` fails" if done.returncode else None


def docker(*arguments: str) -> str:
    """What a command of the engine prints; a failure shows it."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"docker {' '.join(arguments)}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


def inspected(kind: str, name: str) -> dict[str, Any]:
    """What the engine says of an image, a container or a volume."""
    (found,) = json.loads(docker(kind, "inspect", name))
    return dict(found)


@dataclass(frozen=True)
class Checkout:
    """A commit of the project in a folder of its own, with a lock, and with a version that no other has."""

    folder: Path
    version: str

    def tag(self, image: str) -> str:
        """The name of one of its images."""
        return f"{PACKAGE}-{image}:{self.version}"

    def build(self, *images: str, flags: str = "") -> None:
        """What a user does; a failure shows what the engine said."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "ARGS"))}
        command = ["make", "images", f"IMAGES={' '.join(images)}", f"ARGS={flags}"]
        done = subprocess.run(
            command, cwd=self.folder, env=kept, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert done.returncode == 0, done.stdout[-20_000:]

    def inspect(self, image: str) -> dict[str, Any]:
        """What the engine says of one of its images."""
        return inspected("image", self.tag(image))

    def git(self, *arguments: str) -> str:
        """What git prints in it."""
        return repositories.git(self.folder, *arguments)

    def remove_images(self) -> None:
        """Leave the engine without them; what they share with others stays."""
        for path in (self.folder / "deployment/docker").glob("*.Dockerfile"):
            tag = self.tag(path.name.removesuffix(".Dockerfile"))
            subprocess.run(["docker", "image", "rm", "--force", tag], capture_output=True)


def check_out(folder: Path) -> Checkout:
    """The project, locked as `make setup` locks it, and committed."""
    project = Checkout(copy_of_the_project(folder), f"0.0.0.dev{uuid.uuid4().int % 10**12}")
    (folder / ".venv").unlink()
    (folder / "VERSION").write_text(f"{project.version}\n", encoding="utf-8")
    lock(folder)
    project.git("init", "--quiet")
    project.git("add", "--all")
    project.git("commit", "--quiet", "--message", "first")
    return project


def uv() -> str:
    """The program that `make setup` uses."""
    found = shutil.which("uv", path=os.pathsep.join((os.environ["PATH"], str(ROOT / ".uv/bin"))))
    assert found, "uv is not there: run make setup"
    return found


def lock(folder: Path) -> None:
    """Make uv.lock as `make setup` does."""
    wheels = os.environ.get("PIP_FIND_LINKS")
    sources = {"UV_FIND_LINKS": wheels, "UV_NO_SOURCES": "1"} if wheels else {}
    done = subprocess.run([uv(), "lock"], cwd=folder, env=os.environ | sources, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def finished(
    tag: str, *command: str, volumes: tuple[str, ...] = (), options: tuple[str, ...] = (), **environment: str
) -> str:
    """What a container prints until it ends well; `options` are further ones of `docker run`."""
    code, printed = _ended(tag, command, volumes, environment, options)
    assert code == 0, printed
    return printed.strip()


def refused(tag: str, *command: str, volumes: tuple[str, ...] = (), **environment: str) -> str:
    """What a container prints that ends with a mistake."""
    code, printed = _ended(tag, command, volumes, environment)
    assert code not in (0, 125, 126, 127), printed  # those above 100 are the engine's own
    return printed


def _ended(
    tag: str,
    command: tuple[str, ...],
    volumes: tuple[str, ...],
    environment: Mapping[str, str],
    options: tuple[str, ...] = (),
) -> tuple[int, str]:
    """Exit code of a container, and what it printed on both streams."""
    arguments = ["docker", "run", "--rm", *_options(volumes, environment), *options, tag, *command]
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


@dataclass(frozen=True)
class Container:
    """One that runs, and a port of it that this machine reaches."""

    name: str
    url: str

    @property
    def log(self) -> str:
        """What it wrote so far."""
        done = subprocess.run(
            ["docker", "logs", self.name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return done.stdout

    @property
    def state(self) -> dict[str, Any]:
        """What the engine says of it."""
        return dict(inspected("container", self.name)["State"])

    def healthy(self) -> "Container":
        """Wait until its own health check says so."""
        deadline = time.monotonic() + PATIENCE
        while (state := self.state)["Health"]["Status"] != "healthy":
            assert state["Running"], self.log
            assert time.monotonic() < deadline, f"{state['Health']}\n{self.log}"
            time.sleep(0.2)
        return self

    def says(self, text: str) -> None:
        """Wait until it has written that."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.log:
            assert time.monotonic() < deadline, f"{text!r} does not come:\n{self.log}"
            time.sleep(0.1)

    def stop(self) -> int:
        """End it as a rollout does, and return its exit code."""
        docker("stop", "-t", "40", self.name)
        return int(self.state["ExitCode"])


@contextmanager
def running(
    tag: str, port: int, *command: str, volumes: tuple[str, ...] = (), **environment: str
) -> Iterator[Container]:
    """A container with one port published on a free one of the loopback address; it knows this machine as `outside`."""
    options = [*_options(volumes, environment), "--add-host", "outside:host-gateway"]
    name = docker("run", "--detach", "--publish", f"127.0.0.1::{port}", *options, tag, *command)
    try:
        yield Container(name, f"http://{docker('port', name, str(port)).splitlines()[0]}")
    finally:
        docker("rm", "--force", "--volumes", name)


@contextmanager
def volume() -> Iterator[str]:
    """A named volume."""
    name = docker("volume", "create")
    try:
        yield name
    finally:
        docker("volume", "rm", "--force", name)


def answers(url: str) -> bool:
    """Whether anything but an error comes back."""
    with suppress(URLError, ConnectionError, TimeoutError):
        OPENER.open(url, timeout=10).close()
        return True
    return False


def _options(volumes: tuple[str, ...], environment: Mapping[str, str]) -> list[str]:
    mounts = [word for value in volumes for word in ("--volume", value)]
    return [
        *LOCKED_UP,
        *mounts,
        *(word for name, value in environment.items() for word in ("--env", f"{name}={value}")),
    ]
