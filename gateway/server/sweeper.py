"""Looks over all connections once a second, instead of a timer for each: deadlines, stalls, peers that have gone."""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol

INTERVAL = 1.0
TCP_CLOSING = frozenset({0, 7, 8, 9, 11})
"""Linux: no connection, CLOSE, CLOSE_WAIT, LAST_ACK, CLOSING: the peer will send nothing more."""


class Swept(Protocol):
    def sweep(self, now: float) -> None:
        """Close yourself if your time is up. `now` is the event loop's time."""
        ...


def peer_has_gone(transport: asyncio.Transport) -> bool:
    """Whether the other side has ended the connection, without reading from it: the kernel knows (tcpi_state)."""
    sock = transport.get_extra_info("socket")
    if sock is None or not hasattr(socket, "TCP_INFO"):
        return False
    info: bytes = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    return info[0] in TCP_CLOSING


class Sweeper:
    """Runs only while there are connections."""

    def __init__(self) -> None:
        self._connections: set[Swept] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: Swept) -> None:
        self._connections.add(connection)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._sweep)

    def discard(self, connection: Swept) -> None:
        self._connections.discard(connection)

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in list(self._connections):
            connection.sweep(now)
        self._timer = loop.call_later(INTERVAL, self._sweep) if self._connections else None
