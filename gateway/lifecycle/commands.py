"""What shall be done. `EngineMachine.handle` returns commands in order; `supervision/` performs them."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class SetAlarm(Command):
    """After `seconds`, report AlarmRang(token). Replaces an earlier alarm."""

    token: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Admit(Command):
    """Let the request in: it holds a lease from now until RequestLeft."""

    ticket: int


@dataclass(frozen=True, slots=True)
class Refuse(Command):
    """Turn the request away with this error."""

    ticket: int
    error: GatewayError
