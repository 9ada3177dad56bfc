"""Time as an object one can hand in, so that tests move it by hand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    def cancel(self) -> None:
        """The callback will not be called any more. Cancelling twice, or too late, changes nothing."""
        ...


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds on a clock that never steps. For durations."""
        ...

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call back once, on the event loop, after so many seconds."""
        ...


async def pause(clock: Clock, seconds: float) -> None:
    """Return after so many seconds on this clock."""
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    timer = clock.call_later(seconds, lambda: None if over.done() else over.set_result(None))
    try:
        await over
    finally:
        timer.cancel()


class SystemClock:
    """The running event loop's timers."""

    def monotonic(self) -> float:
        return time.monotonic()

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(seconds, callback)
