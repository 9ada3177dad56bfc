"""An engine as the control API shows it."""

from __future__ import annotations

from typing import Any

from gateway.supervision.supervisor import Supervisor


def engine_view(engine: Supervisor) -> dict[str, Any]:
    """Times are seconds, rounded to milliseconds; null where they make no sense.

    name, hosts. phase: as in docs/lifecycle.md. in_phase_for: since the phase last changed. uptime: since the engine's
    program was started. serving, waiting: requests. idle_in: until an idle engine is put to sleep. failure: why the
    last wake failed.
    """
    return {
        "name": engine.name,
        "hosts": list(engine.spec.hosts),
        "phase": engine.phase.value,
        "in_phase_for": _seconds(engine.in_phase_for),
        "uptime": _seconds(engine.uptime),
        "serving": engine.serving,
        "waiting": engine.waiting,
        "idle_in": _seconds(engine.idle_in),
        "failure": engine.failure,
    }


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
