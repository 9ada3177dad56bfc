"""What `docker inspect` says about a container, read with care for what Podman or an older Docker leaves out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.runtimes.base import NotRunning
from gateway.runtimes.docker_address import Facts

PAUSED = NotRunning("is paused")


@dataclass(frozen=True, slots=True)
class ContainerState:
    """id: in full. running: the program is being executed, which it is not while paused or waiting to be restarted.

    started_at: as Docker writes it; empty if it never ran. health: `starting`, `healthy`, `unhealthy`, or empty.
    """

    id: str
    running: bool
    paused: bool
    restarting: bool
    exit_code: int
    oom: bool
    started_at: str
    health: str

    @classmethod
    def of(cls, facts: Facts) -> ContainerState:
        state: dict[str, Any] = facts.get("State") or {}
        paused, restarting = bool(state.get("Paused")), bool(state.get("Restarting"))
        started_at = str(state.get("StartedAt") or "")
        return cls(
            id=str(facts["Id"]),
            running=bool(state.get("Running")) and not paused and not restarting,
            paused=paused,
            restarting=restarting,
            exit_code=int(state.get("ExitCode") or 0),
            oom=bool(state.get("OOMKilled")),
            started_at="" if started_at.startswith("0001-") else started_at,
            health=str((state.get("Health") or {}).get("Status") or "").replace("none", ""),
        )

    @property
    def begun(self) -> bool:
        """There is something to stop."""
        return self.running or self.paused or self.restarting

    @property
    def instance(self) -> str:
        """Differs for every run."""
        return f"{self.id[:12]}-{self.started_at}"

    def age(self, now: datetime) -> float:
        """Seconds since the start, by the clock of Docker's machine; 0 if it cannot be told."""
        try:
            started = datetime.fromisoformat(self.started_at)
        except ValueError:
            return 0.0
        return max(0.0, (now - started.replace(tzinfo=started.tzinfo or UTC)).total_seconds())

    def not_running(self) -> NotRunning:
        """Why it does not run."""
        if self.paused:
            return PAUSED
        if self.restarting:
            reason = f"exits again and again (code {self.exit_code}), and waits for Docker to restart it"
            return NotRunning(reason, self.exit_code, self.oom)
        if not self.started_at:
            return NotRunning("was never started", anew=True)
        if self.oom:
            return NotRunning(f"ran out of memory (code {self.exit_code})", self.exit_code, oom=True)
        return NotRunning(f"exited with code {self.exit_code}", self.exit_code)
