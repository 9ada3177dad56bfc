"""Looks over all connections once a second, instead of a timer for each: deadlines, stalls, peers that have gone."""

from __future__ import annotations

import asyncio
from typing import Protocol

INTERVAL = 1.0


class Swept(Protocol):
    def sweep(self, now: float) -> None:
        """Close yourself if your time is up. `now` is the event loop's time."""
        ...


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
