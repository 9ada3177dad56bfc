"""Tells how each wake went: what came of it, and how long its stages took."""

from __future__ import annotations

from gateway.announcements import Announcements, WakeEnded, WakeOutcome
from gateway.clock import Clock
from gateway.lifecycle import events as e
from gateway.lifecycle.phases import ASLEEP, FAILED, QUEUED, STOPPING, WAKING, Phase


class Waking:
    """One engine's wakes, one after the other.

    A wake begins when the engine begins to wait for room, is started, or is found running. A probe that begins because
    contact was lost, or because a stop has failed, is none.
    """

    def __init__(self, engine: str, clock: Clock, announce: Announcements) -> None:
        self._engine = engine
        self._clock = clock
        self._announce = announce
        self._phase = ASLEEP
        self._under_way = False
        self._since = 0.0  # this stage began
        self._queued: float | None = None
        self._started: float | None = None
        self._starting = False  # our own start has not returned

    def heard(self, event: e.Event, phase: Phase) -> None:
        """The machine has handled this event, and is in this phase now. To be called before its commands are obeyed."""
        before, self._phase = self._phase, phase
        stopped = isinstance(event, e.SeenStopped) and before is not QUEUED
        if phase is before and not self._under_way and not stopped:
            return
        if phase in (QUEUED, WAKING):
            if self._is_our_own and phase is before and isinstance(event, e.SeenStopped):
                self._begins_again()
            elif not self._under_way or stopped:  # found running, and stopped since: it is started
                self._begins(event, before, phase)
            else:
                self._goes_on(event, before, phase)
        elif self._under_way:
            self._ends(_outcome(event, phase, adopted=not self._is_our_own))

    @property
    def _is_our_own(self) -> bool:
        return self._under_way and (self._starting or self._started is not None)

    def _begins(self, event: e.Event, before: Phase, phase: Phase) -> None:
        if isinstance(event, e.LostContact) or (before is STOPPING and isinstance(event, e.StopFailed)):
            return
        self._under_way = True
        self._queued = self._started = None
        self._starting = phase is WAKING and not isinstance(event, e.SeenRunning)
        self._lap()

    def _goes_on(self, event: e.Event, before: Phase, phase: Phase) -> None:
        if before is QUEUED and phase is WAKING:
            self._queued = self._lap()
            self._starting = not isinstance(event, e.SeenRunning)
        elif self._starting and isinstance(event, e.Started | e.SeenRunning):
            self._starting = False
            self._started = self._lap()

    def _begins_again(self) -> None:
        """It has ended, and is started once more: both are one start, which takes as long as they do together."""
        self._since -= self._started or 0.0
        self._starting, self._started = True, None

    def _ends(self, outcome: WakeOutcome) -> None:
        self._under_way = False
        ready = self._lap() if outcome in ("ready", "adopted") else None
        self._announce.tell(WakeEnded(self._engine, outcome, self._queued, self._started, ready))

    def _lap(self) -> float:
        """Seconds since the stage began; the next one begins."""
        now = self._clock.monotonic()
        took, self._since = now - self._since, now
        return took


def _outcome(event: e.Event, phase: Phase, *, adopted: bool) -> WakeOutcome:
    if isinstance(event, e.BecameReady):  # STOPPING then, if others wait for its room
        return "adopted" if adopted else "ready"
    if phase is FAILED:
        return "timed_out" if isinstance(event, e.AlarmRang) else "failed"
    return "called_off"
