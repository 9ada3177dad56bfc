"""How often something may happen: "60/m" is sixty at once, and then one a second.

A bucket is two numbers, what was left and when: no timer fills it, and one that nobody uses costs nothing. What is left
is counted in requests, so that those that come at once are counted exactly, however long the machine has been up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.config.problems import quoted

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_WORDS = {"s": "second", "m": "minute", "h": "hour", "d": "day"}
_WELL_FORMED = re.compile(r"([0-9]{1,6})/([smhd])")
_LIKELY = re.compile(r"\s*([0-9]{1,6})\s*(?:[a-z]+\s*)?(?:/|per|a|an|each|every)?\s*([smhd])[a-z]*\s*", re.IGNORECASE)
MOST = 100_000
"""Requests in a unit of time; more is no limit."""
ENOUGH = 0.999
"""Of one: after years of uptime a clock is that coarse, which must not cost anybody who waits as told a place."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` times in each `unit` (s, m, h or d), all of them at once if need be."""

    count: int
    unit: str

    @property
    def per(self) -> float:
        """Seconds."""
        return _UNITS[self.unit]

    @property
    def in_words(self) -> str:
        """Such as "60 requests a minute"."""
        return f"{self.count} request{'' if self.count == 1 else 's'} {'an' if self.unit == 'h' else 'a'} {self._word}"

    @property
    def _word(self) -> str:
        return _WORDS[self.unit]

    def __str__(self) -> str:
        return f"{self.count}/{self.unit}"


def parse_rate(text: str) -> Rate:
    """Reads "60/m". Raises ValueError with a remedy."""
    found = _WELL_FORMED.fullmatch(text)
    if found is None:
        likely = _LIKELY.fullmatch(text)
        remedy = f"{likely[1]}/{likely[2].lower()}" if likely else "60/m"
        raise ValueError(f"{quoted(text)} is not a rate (try {quoted(remedy)}: s, m, h or d)")
    count = int(found[1])
    if not 1 <= count <= MOST:
        raise ValueError(f"{quoted(text)} is not a usable rate (1 to {MOST} in a second, minute, hour or day)")
    return Rate(count, found[2])


class Bucket:
    """What is left of a rate. Times are seconds on a clock that never steps."""

    __slots__ = ("_at", "_left", "_speed", "rate")

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._speed = rate.count / rate.per
        self._left = float(rate.count)  # at the time `_at`
        self._at = 0.0

    def wait(self, now: float) -> float:
        """Seconds until the next one may be taken; 0 if that is now."""
        left = self._left_at(now)
        return 0.0 if left >= ENOUGH else (1 - left) / self._speed

    def take(self, now: float) -> float:
        """Take one, and return 0; or, if there is none, take nothing and return the seconds until there is."""
        left = self._left_at(now)
        if left < ENOUGH:
            return (1 - left) / self._speed
        self._left, self._at = left - 1, now
        return 0.0

    def _left_at(self, now: float) -> float:
        return min(float(self.rate.count), self._left + max(0.0, now - self._at) * self._speed)
