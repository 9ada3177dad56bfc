"""Time as an object one can hand in, so that tests move it by hand."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds on a clock that never steps. For durations."""
        ...


class SystemClock:
    def monotonic(self) -> float:
        return time.monotonic()
