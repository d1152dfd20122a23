"""Ports for servers that a test starts, while other tests start theirs in other processes."""

import socket
from contextlib import suppress
from random import SystemRandom

KEPT = range(20_000, 30_000)
"""Below those that the kernel gives to whoever asks for any: none is lost between its choice and its use."""


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that are free, all different."""
    found: list[int] = []
    for port in SystemRandom().sample(KEPT, len(KEPT)):  # trainings seed the other generator, in all processes alike
        if len(found) == count:
            break
        with socket.socket() as probe, suppress(OSError):  # somebody has it
            probe.bind(("127.0.0.1", port))
            found.append(port)
    assert len(found) == count, f"fewer than {count} ports of {KEPT} are free"
    return found
