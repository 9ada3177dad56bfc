"""Since when an engine has been what it is, and what its wakes have taken."""

from __future__ import annotations

from gateway.clock import Clock
from gateway.lifecycle import events as e
from gateway.lifecycle.phases import READY, WAKING, Phase
from gateway.supervision.learned import Times

STEADY_SECONDS = 30.0
"""An engine that has been ready for this long has worked: if it crashes then, that is the first time again."""


class Spells:
    """Moments, in the clock's seconds.

    phase_since: the phase changed last. ready_since: this run of the program became ready; None if it is over, or has
    not yet. Contact that was lost for a moment is no end. waking_since: our own start, under way.
    """

    def __init__(self, clock: Clock, wakes: Times) -> None:
        self.phase_since = clock.monotonic()
        self.ready_since: float | None = None
        self.waking_since: float | None = None
        self._clock = clock
        self._wakes = wakes

    def starts(self) -> None:
        """Our start command was given."""
        self.waking_since = self._clock.monotonic()

    def phase_changed(self, phase: Phase, event: e.Event) -> None:
        now = self.phase_since = self._clock.monotonic()
        if phase is READY:
            self.ready_since = now if self.ready_since is None else self.ready_since
            if self.waking_since is not None:
                self._wakes.add(now - self.waking_since)
        elif phase is not WAKING or isinstance(event, e.SeenRunning):
            self.ready_since = None
        if phase is not WAKING:
            self.waking_since = None

    @property
    def steady(self) -> bool:
        return self.ready_since is not None and self._clock.monotonic() - self.ready_since >= STEADY_SECONDS

    def until_ready_for(self, seconds: float) -> float:
        """How much is missing until this run has been ready for so long."""
        ready_for = 0.0 if self.ready_since is None else self._clock.monotonic() - self.ready_since
        return seconds - ready_for
