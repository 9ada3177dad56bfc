"""What can happen to an engine. Each event is handed to `EngineMachine.handle`, and nothing else changes an engine."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.lifecycle.policy import Policy


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""


@dataclass(frozen=True, slots=True)
class RequestArrived(Event):
    """A request wants a lease. `ticket` names it until it has left.

    party: whose it is; parties take turns. size: bytes of its body, as declared. again: the engine died under it, so it
    comes before others. quiet: it neither wakes the engine nor keeps it awake.
    """

    ticket: int
    party: str = ""
    size: int = 0
    again: bool = False
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class RequestLeft(Event):
    """The request is over, or its client has gone. Its lease, or its place among the waiting, is free.

    served: it was answered to the end.
    """

    ticket: int
    served: bool = True


@dataclass(frozen=True, slots=True)
class WakeAsked(Event):
    """An operator wants the engine awake; `politely` means only if there is room for it anyway."""

    politely: bool = False


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
    """Our start command failed. `reason` is a clause about the engine for its operator, `public` one for anybody.

    meant: it was started, and had ended before it was looked at, and somebody may have wanted that.
    """

    reason: str
    public: str
    meant: bool = False


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
    """Looking at the runtime showed that the engine does not run.

    crashed: it ended by itself and not well. meant: it ended well, or by a signal with which programs are stopped.
    Neither, if nobody can tell. steady: it had been ready for long before.
    """

    reason: str
    crashed: bool = False
    steady: bool = True
    meant: bool = False


@dataclass(frozen=True, slots=True)
class RuntimeSilent(Event):
    """Our command cannot be given, or has no answer: the runtime is silent.

    A start is tried until the start alarm rings, a stop until there is an answer.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class RoomGranted(Event):
    """There is room for the engine in the budget, and it is the engine's from now on."""


@dataclass(frozen=True, slots=True)
class RoomWanted(Event):
    """Others wait for the engine's room: it serves who is let in, admits nobody, and stops. Or they do no longer."""

    wanted: bool


@dataclass(frozen=True, slots=True)
class WarmthChanged(Event):
    """The hours in which the engine is kept awake have begun, or have ended."""

    warm: bool


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


@dataclass(frozen=True, slots=True)
class PolicyChanged(Event):
    """The engine's settings have changed: these numbers count from now on."""

    policy: Policy
