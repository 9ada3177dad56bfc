"""Telling whoever watches an engine to look again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator


class Hints:
    """Rings for any number of listeners. Several rings before a listener looks count as one.

    Rings carry no facts on purpose: what is true is found by looking, so a ring too many does no harm.
    """

    def __init__(self) -> None:
        self._bells: set[asyncio.Event] = set()

    def ring(self) -> None:
        """Call on the event loop; from a thread with `loop.call_soon_threadsafe`."""
        for bell in self._bells:
            bell.set()

    async def listen(self, every: float | None = None) -> AsyncGenerator[None, None]:
        """Yields at once, then after every ring, and after so many seconds without one; never ends by itself."""
        bell = asyncio.Event()
        bell.set()
        self._bells.add(bell)
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(every):
                        await bell.wait()
                bell.clear()
                yield
        finally:
            self._bells.discard(bell)
