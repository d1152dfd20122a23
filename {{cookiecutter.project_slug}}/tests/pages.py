"""The code blocks of a page of docs/, taken literally: files are written, lines are run, in the order of the page."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path

from tests.ports import free_ports
from tests.project import ROOT, environment_of
from tests.repositories import first_commit

BLOCK = re.compile(
    r"^(?:\*\*`(?P<path>[^`]+)`\*\*\n\n|(?P<background><!-- background -->)\n)?```(?P<kind>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
PORT = re.compile(r"(?<=PORT=)\d+|(?<=\.port=)\d+|(?<=--port )\d+|(?<=127\.0\.0\.1:)\d+")
BOOT_SECONDS = 120


def copy_of_the_project(folder: Path) -> Path:
    """What git would hold of this project, with this interpreter's environment as its own."""
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    ignored = [".git", *(line.strip("/") for line in lines if line.startswith("/"))]

    def left_out(inside: str, names: list[str]) -> list[str]:
        paths = {name: (Path(inside) / name).relative_to(ROOT).as_posix() for name in names}
        return [
            name for name, path in paths.items()
            if name == "__pycache__" or any(fnmatch(path, pattern) for pattern in ignored)
        ]  # fmt: skip

    shutil.copytree(ROOT, folder, ignore=left_out)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def committed(project: Path) -> Path:
    """The project as the README's quick start leaves it: with a lock and a commit."""
    (project / "uv.lock").write_text("version = 1\n")
    first_commit(project)
    return project


def follow(folder: Path, page: str, change: Callable[[str], str] = str) -> str:
    """Do what a page says, changed by `change`, and return what was printed; servers run until its end."""
    printed = ""
    text, ports = with_free_ports(change((ROOT / "docs" / page).read_text(encoding="utf-8")))
    with ExitStack() as servers:
        for block in BLOCK.finditer(text):
            if block["path"]:
                assert not (folder / block["path"]).exists(), f"{block['path']} is there already"
                (folder / block["path"]).write_text(block["text"], encoding="utf-8")
            elif block["background"]:
                servers.enter_context(in_background(folder, block["text"], ports))
            elif block["kind"] in ("bash", "python"):
                command = ["bash", "-euo", "pipefail"] if block["kind"] == "bash" else [sys.executable]
                done = subprocess.run(
                    [*command, "-c", block["text"]], cwd=folder, env=environment(folder),
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                )  # fmt: skip
                assert done.returncode == 0, f"{block['text']}\n{done.stdout}"
                printed += done.stdout
    return printed


def environment(folder: Path) -> dict[str, str]:
    """As a user's: no variable of this test run leads to another project; its own .venv has the package."""
    names = ("VENV", "ARGS", "MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS")
    return {key: value for key, value in environment_of(PYTHONPATH=str(folder / "src")).items() if key not in names}


def with_free_ports(text: str) -> tuple[str, list[int]]:
    """The page with every port replaced by one that is free, and those ports in the order of the page."""
    written = list(dict.fromkeys(PORT.findall(text)))
    free = dict(zip(written, free_ports(len(written)), strict=True))
    return PORT.sub(lambda found: str(free[found[0]]), text), list(free.values())


@contextmanager
def in_background(folder: Path, text: str, ports: list[int]) -> Iterator[None]:
    """Run a server's block until all ports in it answer, and end its processes afterwards."""
    waited_for = [port for port in ports if str(port) in text]
    log = folder / "server.log"
    with log.open("wb") as file:
        server = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", text], cwd=folder, env=environment(folder), stdout=file, stderr=file,
            start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + BOOT_SECONDS
        while not all(map(answers, waited_for)):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, f"{text} does not answer after {BOOT_SECONDS} s"
            time.sleep(0.2)
        yield
    finally:
        with suppress(ProcessLookupError):  # it has ended by itself, which another line says
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
