"""Asks a server the same question over and over on many connections, and prints what came of it as JSON.

A process of its own on raw sockets, so that it costs less than what it measures: a request is bytes made beforehand,
and of an answer only the status, the length and, where asked, the version and the predictions are read.
"""

import argparse
import asyncio
import json
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import uvloop

LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
AFTER = re.compile(rb"\r\nretry-after: (\d+)\r\n", re.IGNORECASE)
VERSION = re.compile(rb'"version":"(\d+)"')


class Client(asyncio.Protocol):
    """One connection that asks again as soon as it has its answer.

    Args:
        request: head and body.
        until: `time.perf_counter()` at which to stop.
        found: what all clients found, together.
        patient: whether it waits as long as Retry-After says.

    """

    def __init__(self, request: bytes, until: float, found: "Found", patient: bool) -> None:
        self.request, self.until, self.found, self.patient = request, until, found, patient
        self.buffer, self.begin = b"", 0.0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Ask for the first time."""
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        """Send the request."""
        self.begin = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """Note an answer that is whole, and ask again."""
        self.buffer += data
        head = self.buffer.find(b"\r\n\r\n")
        length = LENGTH.search(self.buffer, 0, head + 2) if head >= 0 else None
        if length is None or len(self.buffer) < head + 4 + int(length[1]):
            return
        now = time.perf_counter()
        self.found.answer(self.buffer[9:12], self.buffer[head + 4 :], now - self.begin)
        later = AFTER.search(self.buffer, 0, head + 2) if self.patient else None
        wait, self.buffer = float(later[1]) if later else 0.0, b""
        if now + wait < self.until and wait:
            asyncio.get_running_loop().call_later(wait, self.ask)
        elif now + wait < self.until:
            self.ask()
        else:
            self.done.set_result(None)
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        """A connection that ends before its answer is counted as lost."""
        if not self.done.done():
            self.found.statuses["lost"] += 1
            self.done.set_result(None)


class Found:
    """Statuses, latencies of the answers with 200, and answers that are not those of the version that they name."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = {version.encode(): text.encode() for version, text in answers.items()}
        self.statuses: Counter[str] = Counter()
        self.versions: Counter[str] = Counter()
        self.accepted: list[float] = []
        self.refused: list[float] = []
        self.wrong = 0

    def answer(self, status: bytes, body: bytes, seconds: float) -> None:
        """Note one answer."""
        self.statuses[status.decode()] += 1
        if status != b"200":
            self.refused.append(seconds)
            return
        self.accepted.append(seconds)
        if self.answers:
            version = VERSION.search(body)
            known = self.answers.get(version[1]) if version else None
            self.wrong += known is None or known not in body
            self.versions[version[1].decode() if version else "none"] += 1


def percentile(values: list[float], share: float) -> float | None:
    """In milliseconds."""
    return 1e3 * sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else None


async def main(options: argparse.Namespace) -> None:
    """Connect, ask for a while, print."""
    body = options.body.read_bytes()
    headers = {"Host": f"127.0.0.1:{options.port}", **json.loads(options.headers), "Content-Length": len(body)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST {options.path} HTTP/1.1\r\n{lines}\r\n"
    found = Found(json.loads(options.answers))
    begin = time.perf_counter()
    request, until = head.encode() + body, begin + options.seconds
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(options.connections):
        _, client = await loop.create_connection(
            lambda: Client(request, until, found, options.patient), "127.0.0.1", options.port
        )
        clients.append(client.done)
    await asyncio.gather(*clients)
    seconds, cpu = time.perf_counter() - begin, time.process_time()
    printed = {
        "per_second": len(found.accepted) / seconds,
        "statuses": found.statuses,
        "versions": found.versions,
        "wrong": found.wrong,
        "p50": percentile(found.accepted, 0.5),
        "p99": percentile(found.accepted, 0.99),
        "refused_p50": percentile(found.refused, 0.5),
        "refused_p99": percentile(found.refused, 0.99),
        "busy": cpu / seconds,
    }
    print(json.dumps(printed))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("body", type=Path, help="a file with the body of the request")
    parser.add_argument("--path", default="/predict")
    parser.add_argument("--headers", default='{"Content-Type": "application/json"}', help="of the request, as JSON")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--patient", action="store_true", help="wait as long as Retry-After says")
    parser.add_argument("--answers", default="{}", help="what an answer of each version must hold, as JSON")
    uvloop.run(main(parser.parse_args()))
