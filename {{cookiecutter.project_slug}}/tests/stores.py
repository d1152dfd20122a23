"""A real S3 server over a folder, on a free port of the loopback address."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import free_ports

PATIENCE = 60
"""Seconds after which a server that does not come up is given up."""
KEYS = {"AWS_ACCESS_KEY_ID": "example", "AWS_SECRET_ACCESS_KEY": "secret"}


@contextmanager
def s3_store(folder: Path) -> Iterator[str]:
    """Serve `folder`, with one bucket named `bucket` in it; gives the address."""
    (folder / "bucket").mkdir(parents=True, exist_ok=True)
    (port,) = free_ports(1)
    program = shutil.which("rclone", path=str(Path(sys.executable).parent))
    assert program, "rclone is not there: run make setup"
    keys = ",".join(KEYS.values())
    command = [program, "serve", "s3", str(folder), "--addr", f"127.0.0.1:{port}", "--auth-key", keys]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while not _answers(port):
            assert process.poll() is None, "rclone ended"
            assert time.monotonic() < deadline, f"rclone does not answer after {PATIENCE} s"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
