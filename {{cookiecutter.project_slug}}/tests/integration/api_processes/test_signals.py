"""The service as a process that is told to end: what it drains, and what it gives up."""

import asyncio
import json
import signal
import socket
import time
from pathlib import Path

import pytest
from loguru import logger

from deployment.api.app import create_app
from deployment.api.server import DrainingServer
from tests.servables import ROWS, serving, write_servable
from tests.servers import PATIENCE, prices, running

pytestmark = pytest.mark.slow
BODY = json.dumps({"records": ROWS})


def test_sigterm_drains(project: Path) -> None:
    folder = write_servable(project / "servable")
    with running(project, f"serving.reference={folder}", "serving.drain_seconds=2") as server:
        server.listening()
        kept = server.connect()
        kept.request("POST", "/predict", BODY)
        kept.getresponse().read()
        slow = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
        head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY.encode())}\r\n\r\n"
        slow.sendall(head.encode() + BODY.encode()[:20])
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("draining for 2 s")
        detail = {"detail": "this server is about to end: ask another one"}
        assert server.get("/health/ready") == (503, detail)
        assert server.get("/health/live")[0] == 200
        kept.request("POST", "/predict", BODY)  # an open connection is still answered, and told to close
        response = kept.getresponse()
        assert (response.status, response.getheader("connection")) == (200, "close")
        server.wait_for("Shutting down")
        with socket.socket() as probe:  # nothing more is accepted
            while not probe.connect_ex(("127.0.0.1", server.port)):
                pytest.fail("a new connection was accepted")
        slow.sendall(BODY.encode()[20:])
        answer = b""
        while chunk := slow.recv(65536):
            answer += chunk
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert [row["price_prediction"] for row in json.loads(answer.partition(b"\r\n\r\n")[2])["predictions"]] == prices(folder)  # fmt: skip
        assert server.process.wait(PATIENCE) == 0
        assert "Traceback" not in server.log


def test_a_signal_in_the_midst_of_a_log_line(tmp_path: Path) -> None:
    """Loguru is not reentrant: what a handler logged then was lost, and a traceback stood in its place."""
    app = create_app(serving(write_servable(tmp_path / "servable"), drain_seconds=0))
    server, written = DrainingServer(app), []

    def sink(line: str) -> None:
        written.append(line.strip())
        if len(written) == 1:
            server.handle_exit(signal.SIGTERM, None)

    handler = logger.add(sink, format="{message}", catch=False)
    try:
        logger.info("a line")
        assert app.state.draining
        assert asyncio.run(server.on_tick(1))
        assert asyncio.run(server.on_tick(2))
    finally:
        logger.remove(handler)
    assert written == ["a line", "draining for 0 s: /health/ready answers 503"]


def test_a_second_signal_ends_at_once(project: Path) -> None:
    folder = write_servable(project / "servable")
    with running(project, f"serving.reference={folder}", "serving.drain_seconds=1000") as server:
        server.listening().process.send_signal(signal.SIGTERM)
        server.wait_for("draining for 1000 s")
        assert server.end() == -signal.SIGTERM


def test_ctrl_c_does_not_wait(project: Path) -> None:
    folder = write_servable(project / "servable")
    with running(project, f"serving.reference={folder}", "serving.drain_seconds=1000") as server:
        assert server.listening().end(signal.SIGINT) == 130
        assert server.log.splitlines()[-1] == "interrupted"


def test_what_does_not_finish_is_given_up(project: Path) -> None:
    folder = write_servable(project / "servable")
    limits = ("serving.drain_seconds=0", "serving.finish_seconds=1", "serving.body_seconds=1000")
    with running(project, f"serving.reference={folder}", *limits) as server:
        server.listening()
        with socket.create_connection(("127.0.0.1", server.port)) as slow:
            slow.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            time.sleep(0.2)
            assert server.end() == 0
