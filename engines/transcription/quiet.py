"""When nobody has asked for anything for a while, memory that requests have left behind goes back to the system."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

from engines.transcription import memory

SECONDS = 2.0
"""Quiet that long is worth the tenth of a second that it takes. In a burst it would only be taken back again."""


class Quiet:
    """Counts those who are busy, on the event loop."""

    def __init__(
        self, seconds: float = SECONDS, act: Callable[[], None] = memory.give_back, executor: Executor | None = None
    ) -> None:
        self._seconds = seconds
        self._act = act
        self._executor = executor or ThreadPoolExecutor(1, thread_name_prefix="memory")
        self._busy = 0
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def busy(self) -> Iterator[None]:
        """It is not quiet inside the block."""
        self._busy += 1
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            yield
        finally:
            self._busy -= 1
            if not self._busy:
                self._timer = asyncio.get_running_loop().call_later(self._seconds, self._be_quiet)

    def _be_quiet(self) -> None:
        self._timer = None
        self._executor.submit(self._act)
