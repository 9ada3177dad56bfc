"""Facts told inside the process: whoever sees one tells it, and whoever listens is `app`'s choice.

A fact is of the past, so nothing may wait for it and nothing is decided by it: metrics are counted from facts, engines
are not. `tell` is a plain call on the event loop. A listener that breaks is logged, and stops neither the others nor
whoever told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

import structlog

WakeOutcome = Literal["ready", "failed", "timed_out", "called_off", "adopted"]
"""adopted: it was found running. called_off: nobody waited any more, or an operator put it to sleep."""


class RequestEnded(NamedTuple):
    """A request for an engine's hostname is over. A tuple, because each request has one and they are cheaper to make.

    engine: None if it never came as far as to be an engine's. status: of the answer, None if there was none. error: the
    code under which it was refused or failed. waited: seconds until it was admitted, None if it was at once. took:
    seconds from its head to its end. first_byte: seconds from its admission until its answer began, for one that
    waited.
    """

    engine: str | None
    status: int | None
    error: str | None
    waited: float | None
    took: float
    first_byte: float | None = None


@dataclass(frozen=True, slots=True)
class PhaseChanged:
    """An engine's phase has changed. cause: the event's name. seconds: how long the phase before lasted."""

    engine: str
    before: str
    after: str
    cause: str
    seconds: float


@dataclass(frozen=True, slots=True)
class WakeEnded:
    """A wake is over, one way or the other. Seconds of its stages, None for those that it did not reach.

    queued: until there was room for it in the budget. started: from then until its program ran. ready: from then until
    it answered.
    """

    engine: str
    outcome: WakeOutcome
    queued: float | None
    started: float | None
    ready: float | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """The engine died under a request, which is sent once more."""

    engine: str
    reason: str


@dataclass(frozen=True, slots=True)
class Evicted:
    """An engine was told to make room for another."""

    engine: str
    wanted_by: str


@dataclass(frozen=True, slots=True)
class NeedsExceeded:
    """An engine takes more of a resource than its entry says: bytes."""

    engine: str
    resource: str
    declared: int
    measured: int


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The configuration was read again. ok: it was valid, and counts from now on."""

    ok: bool


Fact = RequestEnded | PhaseChanged | WakeEnded | Replayed | Evicted | NeedsExceeded | Reloaded
F = TypeVar("F", bound=Fact)


class Announcements:
    """Who listens to which kind of fact. To tell one that nobody listens to costs next to nothing."""

    def __init__(self) -> None:
        self._listeners: dict[type[Any], tuple[Callable[[Any], None], ...]] = {}

    def listen(self, kind: type[F], callback: Callable[[F], None]) -> None:
        """Call `callback` with each fact of this kind from now on, after those who listen already."""
        self._listeners[kind] = (*self._listeners.get(kind, ()), callback)

    def tell(self, fact: Fact) -> None:
        """Hand the fact to all who listen to its kind. Never raises."""
        for callback in self._listeners.get(type(fact), ()):
            try:
                callback(fact)
            except Exception:  # a mistake of ours; the request or engine that is told of goes on
                structlog.get_logger().exception("gateway.listener_broke", fact=type(fact).__name__)
