"""The one alarm that an engine's machine may have set."""

from __future__ import annotations

from collections.abc import Callable

from gateway.clock import Clock, Timer
from gateway.lifecycle.commands import AlarmKind


class Alarm:
    """Calls `ring` with the token of the alarm set last, when that is due. why: what the last one was set for."""

    def __init__(self, clock: Clock, ring: Callable[[int], None]) -> None:
        self.why = AlarmKind.START
        self._clock = clock
        self._ring = ring
        self._timer: Timer | None = None
        self._due = 0.0

    def set(self, token: int, seconds: float, why: AlarmKind) -> None:
        """Replaces the one before."""
        if self._timer is not None:
            self._timer.cancel()
        self.why = why
        self._due = self._clock.monotonic() + seconds
        self._timer = self._clock.call_later(seconds, lambda: self._ring(token))

    @property
    def due_in(self) -> float:
        """Seconds until it is due; 0 if it has been."""
        return max(0.0, self._due - self._clock.monotonic())
