"""The README's quick start, taken literally."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest
from baking import Bake, clean_env, streamed

BLOCK = re.compile(r"(?P<background><!-- background -->\n)?^```bash\n(?P<lines>.*?)^```$", re.MULTILINE | re.DOTALL)
PORT = re.compile(r"(?:port=|127\.0\.0\.1:|localhost:)(\d+)")
BOOT_SECONDS = 120


@dataclass(frozen=True)
class Block:
    """One fenced block of commands; a server's runs in the background until the end."""

    lines: str
    background: bool


def quick_start(readme: str) -> list[Block]:
    """The blocks of the section 'Quick start', in order."""
    section = re.split(r"^## ", readme.split("\n## Quick start\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    return [Block(found["lines"], bool(found["background"])) for found in BLOCK.finditer(section)]


def answers(port: int) -> bool:
    """Whether something listens on the loopback port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def in_background(block: Block, project: Bake, port: int) -> Iterator[None]:
    """Run a server's block until its port answers, and end its process group afterwards."""
    assert not answers(port), f"port {port} of the README is taken on this machine"
    command = ["bash", "-euo", "pipefail", "-c", block.lines]
    server = subprocess.Popen(
        command, cwd=project.path, env=clean_env(), stdin=subprocess.DEVNULL, start_new_session=True
    )  # fmt: skip
    try:
        deadline = time.monotonic() + BOOT_SECONDS
        while not answers(port):
            assert server.poll() is None, f"{block.lines} ended with {server.returncode}"
            assert time.monotonic() < deadline, f"nothing answers on port {port} after {BOOT_SECONDS} s"
            time.sleep(0.2)
        yield
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def test_blocks_are_found() -> None:
    fenced = "```bash\na\nb\n```\n\nThen:\n\n<!-- background -->\n```bash\nc\n```\n"
    readme = f"# x\n\n## Quick start\n\n{fenced}\n## Next\n```bash\nd\n```\n"
    assert quick_start(readme) == [Block("a\nb\n", False), Block("c\n", True)]


@pytest.mark.slow
def test_every_line_works(bake: Callable[..., Bake], capfd: pytest.CaptureFixture[str]) -> None:
    """Installs, trains and serves as a new user would; the last block talks to the server."""
    project = bake()
    blocks = quick_start(project.text("README.md"))
    assert any(block.background for block in blocks)
    port = int(next(found[1] for block in blocks if (found := PORT.search(block.lines))))
    printed = ""
    with capfd.disabled(), ExitStack() as servers:
        for block in blocks:
            if block.background:
                servers.enter_context(in_background(block, project, port))
            else:
                printed += streamed("bash", "-euo", "pipefail", "-c", block.lines, cwd=project.path)
    assert '"predictions"' in printed
