"""An engine as the control API shows it."""

from __future__ import annotations

from typing import Any

from gateway.supervision.supervisor import Supervisor


def engine_view(engine: Supervisor, *, admin: bool = True) -> dict[str, Any]:
    """For administrators, or for others. Times are seconds, rounded to milliseconds; null where they make no sense.

    name, hosts. phase: as in docs/lifecycle.md. in_phase_for: since the phase last changed. uptime: since the engine's
    program was started. serving, waiting: requests. concurrency: how many are served at once, null for any number.
    idle_in: until an idle engine is put to sleep. warm: it is kept awake by the clock. failure: why it failed last, for
    others in general words. failures: how often in a row. retry_in: until it is tried again. wake_time: what its wakes
    take, on average and for nine in ten. memory, memory_peak: bytes that it takes, and took at most in its last run, if
    it was measured.
    """
    wakes = engine.learned.wakes
    return {
        "name": engine.name,
        "hosts": list(engine.spec.hosts),
        "phase": engine.phase.value,
        "in_phase_for": _seconds(engine.in_phase_for),
        "uptime": _seconds(engine.uptime),
        "serving": engine.serving,
        "waiting": engine.waiting,
        "concurrency": engine.spec.concurrency,
        "idle_in": _seconds(engine.idle_in),
        "warm": engine.warm,
        "failure": engine.failure if admin else engine.failure_in_public,
        "failures": engine.failures,
        "retry_in": _seconds(engine.retry_in),
        "wake_time": {"mean": _seconds(wakes.mean), "p90": _seconds(wakes.p90)},
        "memory": engine.measured.now if engine.measured and engine.uptime is not None else None,
        "memory_peak": engine.measured.peak if engine.measured else None,
    }


def queue_view(engine: Supervisor) -> dict[str, Any]:
    """Who waits for the engine, next first: whose request it is, its body's declared size, and seconds so far."""
    return {
        "queue": [
            {
                "position": place.position,
                "request_id": place.visit.request_id,
                "party": place.visit.party,
                "waited": _seconds(place.waited),
                "bytes": place.visit.size,
            }
            for place in engine.queue()
        ]
    }


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
