"""One line in the log for each change of an engine's phase."""

from __future__ import annotations

from typing import Any

from gateway.lifecycle.events import Event, SeenStopped
from gateway.lifecycle.machine import EngineMachine
from gateway.lifecycle.phases import Phase


def cause_of(event: Event) -> str:
    return type(event).__name__


def log_phase(log: Any, engine: EngineMachine, event: Event, after: float) -> None:
    """`event` caused the change; the phase before lasted `after` seconds."""
    cause = cause_of(event)
    match engine.phase:
        case Phase.QUEUED:
            log.info("engine.queued", cause=cause, waiting=len(engine.waiting))
        case Phase.WAKING:
            log.info("engine.waking", cause=cause, waiting=len(engine.waiting))
        case Phase.READY:
            log.info("engine.ready", after=after, admitted=len(engine.serving))
        case Phase.STOPPING:
            log.info("engine.stopping", cause=cause, ready_for=after)
        case Phase.ASLEEP if isinstance(event, SeenStopped):  # not by us
            log.warning("engine.asleep", cause=cause, reason=event.reason, after=after)
        case Phase.ASLEEP:
            log.info("engine.asleep", cause=cause, after=after)
        case Phase.FAILED:
            log.error("engine.failed", reason=engine.failures.reason, failures=engine.failures.count, after=after)
