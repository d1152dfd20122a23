"""Ports that are kept for servers of tests."""

import socket

import pytest

from tests import ports


def test_taken_ones_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ports.free_ports(3)
    assert len(set(wanted)) == 3
    assert set(wanted) <= set(ports.KEPT)
    first = min(wanted)
    monkeypatch.setattr(ports, "KEPT", range(first, first + 1))
    assert ports.free_ports(1) == [first]
    with socket.create_server(("127.0.0.1", first)), pytest.raises(AssertionError, match="fewer than 1 ports of range"):
        ports.free_ports(1)
