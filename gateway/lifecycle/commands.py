"""What shall be done. `EngineMachine.handle` returns commands in order; `supervision/` performs them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gateway.errors import GatewayError


@dataclass(frozen=True, slots=True)
class Command:
    """Something to do."""


@dataclass(frozen=True, slots=True)
class StartEngine(Command):
    """Start it; the outcome is Started or StartFailed."""


@dataclass(frozen=True, slots=True)
class StopEngine(Command):
    """Stop it, and give up any start or probe under way; the outcome is Stopped or StopFailed."""


@dataclass(frozen=True, slots=True)
class ProbeEngine(Command):
    """Ask until it answers; the outcome is BecameReady(attempt). Replaces an earlier probe."""

    attempt: int


class AlarmKind(Enum):
    """What an alarm ends: a start that takes too long, an idle time, or the rest after a failure."""

    START = "start"
    IDLE = "idle"
    REST = "rest"


@dataclass(frozen=True, slots=True)
class SetAlarm(Command):
    """After `seconds`, report AlarmRang(token). Replaces an earlier alarm.

    An idle time may be stretched, and a rest is varied a little, by whoever sets the alarm.
    """

    token: int
    seconds: float
    why: AlarmKind


@dataclass(frozen=True, slots=True)
class AskRoom(Command):
    """Ask for room in the budget; the outcome is RoomGranted. `politely`: only if nobody has to make it.

    Replaces what was asked before.
    """

    politely: bool


@dataclass(frozen=True, slots=True)
class GiveUpRoom(Command):
    """The room that was asked for is not wanted any more."""


@dataclass(frozen=True, slots=True)
class Admit(Command):
    """Let the request in: it holds a lease from now until RequestLeft."""

    ticket: int


@dataclass(frozen=True, slots=True)
class Refuse(Command):
    """Turn the request away with this error."""

    ticket: int
    error: GatewayError
