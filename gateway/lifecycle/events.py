"""What can happen to an engine. Each event is handed to `EngineMachine.handle`, and nothing else changes an engine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""


@dataclass(frozen=True, slots=True)
class RequestArrived(Event):
    """A request wants a lease. `ticket` names it until it has left."""

    ticket: int


@dataclass(frozen=True, slots=True)
class RequestLeft(Event):
    """The request is over, or its client has gone. Its lease, or its place among the waiting, is free."""

    ticket: int


@dataclass(frozen=True, slots=True)
class WakeAsked(Event):
    """An operator wants the engine awake."""


@dataclass(frozen=True, slots=True)
class SleepAsked(Event):
    """An operator wants the engine asleep; with `force` even if that cuts running requests."""

    force: bool = False


@dataclass(frozen=True, slots=True)
class Started(Event):
    """Our start command returned: the program `instance` runs."""

    instance: str


@dataclass(frozen=True, slots=True)
class StartFailed(Event):
    """Our start command failed. `reason` is a clause about the engine for its operator, `public` one for anybody."""

    reason: str
    public: str


@dataclass(frozen=True, slots=True)
class Stopped(Event):
    """Our stop command returned: the engine does not run."""


@dataclass(frozen=True, slots=True)
class StopFailed(Event):
    """Our stop command failed; whether the engine runs is not known."""

    reason: str


@dataclass(frozen=True, slots=True)
class SeenRunning(Event):
    """Looking at the runtime showed that the program `instance` runs."""

    instance: str


@dataclass(frozen=True, slots=True)
class SeenStopped(Event):
    """Looking at the runtime showed that the engine does not run."""

    reason: str


@dataclass(frozen=True, slots=True)
class BecameReady(Event):
    """The probe numbered `attempt` got an answer."""

    attempt: int


@dataclass(frozen=True, slots=True)
class LostContact(Event):
    """A request that was let in could not connect to the program `instance`."""

    instance: str


@dataclass(frozen=True, slots=True)
class AlarmRang(Event):
    """The alarm set with this token is due."""

    token: int
