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


class SystemClock:
    """The running event loop's timers."""

    def monotonic(self) -> float:
        return time.monotonic()

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(seconds, callback)
