"""As `load.py`, over gRPC: one request on many connections, its bytes made beforehand, the answer's not parsed."""

import argparse
import asyncio
import json
import statistics
import time
from collections import Counter
from pathlib import Path

import grpc.aio


async def client(address: str, method: str, body: bytes, until: float, took: list[float]) -> None:
    """One connection that asks again as soon as it has its answer."""
    whole = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(address, whole) as channel:
        ask = channel.unary_unary(method, bytes, bytes)
        while time.perf_counter() < until:
            begin = time.perf_counter()
            await ask(body)
            took.append(time.perf_counter() - begin)


async def main(address: str, method: str, body: bytes, seconds: float, connections: int) -> dict[str, object]:
    """Ask on all connections; whatever is not answered ends the benchmark."""
    took: list[float] = []
    begin = time.perf_counter()
    until = begin + seconds
    await asyncio.gather(*(client(address, method, body, until, took) for _ in range(connections)))
    percentiles = statistics.quantiles([1e3 * one for one in took], n=100)
    return {
        "statuses": Counter({"200": len(took)}),
        "per_second": len(took) / (time.perf_counter() - begin),
        "p50": percentiles[49],
        "p99": percentiles[98],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("body", type=Path)
    parser.add_argument("--path", required=True, help="the method")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--headers", help="not used: gRPC has none here")
    given = parser.parse_args()
    address, body = f"127.0.0.1:{given.port}", given.body.read_bytes()
    print(json.dumps(asyncio.run(main(address, given.path, body, given.seconds, given.connections))))
