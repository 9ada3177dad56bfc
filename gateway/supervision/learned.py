"""How long wakes and services have really taken lately, and what follows for those who are told to come again."""

from __future__ import annotations

import math
from collections import deque

REMEMBERED = 100
WEIGHT = 0.2
"""Of the newest in the moving average."""

UNKNOWN = 5.0
"""Seconds after which to come again as long as nothing has been learned."""

LONGEST = 600.0


class Times:
    """Durations in seconds: their moving average, and the one that nine in ten of the last hundred do not exceed."""

    def __init__(self) -> None:
        self.mean: float | None = None
        self._last: deque[float] = deque(maxlen=REMEMBERED)

    def add(self, seconds: float) -> None:
        self.mean = seconds if self.mean is None else self.mean + WEIGHT * (seconds - self.mean)
        self._last.append(seconds)

    @property
    def p90(self) -> float | None:
        """Sorts what is remembered: for those who wait, not for every request."""
        if not self._last:
            return None
        return sorted(self._last)[math.ceil(0.9 * len(self._last)) - 1]


class Learned:
    """One engine's times. wakes: from the start command to the first answer. services: from admission to the end."""

    def __init__(self) -> None:
        self.wakes = Times()
        self.services = Times()

    def come_again(self, rounds: int, *, awake: bool, waking_for: float, rest: float = 0.0) -> float:
        """Seconds after which somebody has a fair chance, if so many rounds are before him.

        awake: whether no wake has to be waited for; else `waking_for` says for how long it has been under way, and
        `rest` how long it is until it may begin.
        """
        wake, service = self.wakes.p90, self.services.mean
        if not awake:
            still = rest + (UNKNOWN if wake is None else max(0.0, wake - waking_for))
        else:
            still = UNKNOWN if rounds and service is None else 0.0
        return min(LONGEST, max(1.0, still + rounds * (service or 0.0)))
