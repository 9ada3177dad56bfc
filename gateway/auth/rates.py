"""How often something may happen: "60/m" is sixty at once, and then one a second.

A bucket is kept as one number, the moment at which it will be full again (the "generic cell rate algorithm"): no timer
fills it, and one that nobody uses costs nothing.
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

    __slots__ = ("_full_at", "_interval", "_slack", "rate")

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._interval = rate.per / rate.count
        # A hundredth of an interval more: sums of fractions must not cost the last of `count` its place.
        self._slack = rate.per - self._interval * 0.99
        self._full_at = 0.0

    def wait(self, now: float) -> float:
        """Seconds until the next one may be taken; 0 if that is now."""
        return max(0.0, self._full_at - now - self._slack)

    def take(self, now: float) -> float:
        """Take one, and return 0; or, if there is none, take nothing and return the seconds until there is."""
        full_at = max(self._full_at, now)
        wait = full_at - now - self._slack
        if wait > 0:
            return wait
        self._full_at = full_at + self._interval
        return 0.0
