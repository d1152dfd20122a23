"""A registry of images on the loopback address, which asks for a password."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import pytest

from tests.containers import OPENER
from tests.ports import free_ports

ACCOUNT, PASSWORD = "ci", "an-example-only"  # pragma: allowlist secret
# bcrypt of the password, which the registry asks for and Python's library cannot make.
HASH = "$2y$05$5g.ouvnskzRE7UN1jerAw.9xsLIX.Q6aCpPeZb6TeC5yTZFRTGf9a"  # pragma: allowlist secret
CONFIG = """\
version: 0.1
storage: {filesystem: {rootdirectory: ROOT}}
http: {addr: "ADDRESS"}
auth: {htpasswd: {realm: registry, path: ACCOUNTS}}
"""


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """One that answers, as host:port; what it holds is below `folder`, which is there."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("there is no docker-registry: apt-get install docker-registry")
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    (folder / "accounts").write_text(f"{ACCOUNT}:{HASH}\n", encoding="utf-8")
    config = CONFIG.replace("ROOT", str(folder / "images")).replace("ADDRESS", address)
    (folder / "config.yml").write_text(config.replace("ACCOUNTS", str(folder / "accounts")), encoding="utf-8")
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([program, "serve", str(folder / "config.yml")], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while not _asks_for_a_password(f"http://{address}/v2/"):
            assert server.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)


def logged_in(folder: Path, address: str) -> Path:
    """A client's folder that knows the registry's account."""
    folder.mkdir(exist_ok=True)
    known = base64.b64encode(f"{ACCOUNT}:{PASSWORD}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {address: {"auth": known}}}), encoding="utf-8")
    return folder


def _asks_for_a_password(url: str) -> bool:
    try:
        OPENER.open(url, timeout=5).close()
    except URLError as error:
        return getattr(error, "code", None) == 401
    return False
