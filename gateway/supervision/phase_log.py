"""One line in the log for each change of an engine's phase."""

from __future__ import annotations

from typing import Any

from gateway.lifecycle.events import Event, SeenStopped
from gateway.lifecycle.machine import EngineMachine
from gateway.lifecycle.phases import Phase


def log_phase(log: Any, engine: EngineMachine, event: Event | None, after: float) -> None:
    """`event` caused the change, None a request's arrival; the phase before lasted `after` seconds."""
    cause = type(event).__name__ if event else "RequestArrived"
    match engine.phase:
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
            log.error("engine.failed", reason=engine.failure, failures=engine.failures, after=after)
