"""The numbers behind the rules: how long an engine idles, may take to start, and rests after a failure."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_COOL_DOWN = 60.0


@dataclass(frozen=True, slots=True)
class Policy:
    """Seconds, each. `idle_after` None means that the engine is never stopped for idling."""

    idle_after: float | None = 15 * 60
    start_timeout: float = 60

    def cool_down(self, failures: int) -> float:
        """Seconds of rest after this many failures in a row: 1, 2, 4, … and at most a minute."""
        return min(LONGEST_COOL_DOWN, 2.0 ** min(failures - 1, 16))
