"""Failures in a row, and the rest that follows them."""

from __future__ import annotations

from gateway.errors import GatewayError, RuntimeUnavailable
from gateway.lifecycle import reasons

LONGEST_REST = 60.0

TOLERATED = 3
"""So often in a row may an engine end in good order, soon after it was ready: people stop engines, Docker restarts."""


def rest_after(failures: int) -> float:
    """Seconds of rest after this many failures in a row: 1, 2, 4, … and at most a minute."""
    return min(LONGEST_REST, 2.0 ** min(failures - 1, 16))


class Failures:
    """How often in a row an engine has failed, and why.

    A start that fails counts, and so does a crash; being ready is no success yet, but serving somebody is, and
    so is an end in good order that we ordered. One that nobody here has ordered does not count at first.
    reason: of the last failure, for operators; None while the engine is ready. public: the same in general words.
    """

    __slots__ = ("_ended_well", "_name", "count", "public", "reason")

    def __init__(self, name: str) -> None:
        self.count = 0
        self.reason: str | None = None
        self._name = name
        self.public = ""
        self._ended_well = 0  # how often in a row, soon after it was ready

    def works(self) -> None:
        """What was before does not count any more."""
        self.count = self._ended_well = 0

    def add(self, reason: str, public: str) -> None:
        self.count += 1
        self.reason, self.public = reason, public

    def add_unheard(self, reason: str) -> None:
        """The runtime could not be told to start it: the engine has done nothing that it should rest longer for."""
        self.count = max(self.count, 1)
        self.reason, self.public = reason, RuntimeUnavailable.public

    def crashed(self, reason: str, *, steady: bool) -> None:
        """It had been ready; `steady` if for so long that what was before does not count."""
        if steady:
            self.works()
        self.add(reason, reason)

    def ended_well(self, *, steady: bool) -> bool:
        """It had been ready, and has ended in good order by other hands than ours. Whether that is too often by now."""
        self._ended_well = 0 if steady else self._ended_well + 1
        return self._ended_well > TOLERATED

    @property
    def rest(self) -> float:
        return rest_after(self.count)

    # What requests are told

    def start_failed(self, public: str) -> GatewayError:
        """One more failure, which has not been added yet."""
        return reasons.could_not_start(self._name, public, rest_after(self.count + 1))

    def start_unheard(self) -> GatewayError:
        """The same for one that the runtime never heard of: whoever comes is tried for at once."""
        return reasons.could_not_start(self._name, RuntimeUnavailable.public, rest_after(1))

    def start_late(self, seconds: float) -> GatewayError:
        """The same for a start that took too long."""
        return reasons.not_in_time(self._name, seconds, rest_after(self.count + 1))

    def cooling_down(self) -> GatewayError:
        return reasons.cooling_down(self._name, self.public, self.rest)
