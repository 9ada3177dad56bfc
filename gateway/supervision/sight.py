"""What can be seen of an engine from outside. Advisory: whoever wants to change something tells its supervisor."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from gateway.clock import Clock
from gateway.config.schema import EngineSpec
from gateway.lifecycle.commands import AlarmKind
from gateway.lifecycle.machine import EngineMachine
from gateway.lifecycle.phases import ASLEEP, FAILED, QUEUED, READY, Phase
from gateway.supervision.admission import Target, Visit
from gateway.supervision.alarm import Alarm
from gateway.supervision.learned import Learned
from gateway.supervision.performer import Performer
from gateway.supervision.spells import Spells
from gateway.supervision.usage import Measured


class Waiter(NamedTuple):
    """A request that waits, and since when."""

    future: asyncio.Future[Target]
    visit: Visit
    since: float


class Place(NamedTuple):
    """One place in the queue. position: 1 is next. waited: seconds."""

    position: int
    visit: Visit
    waited: float


class Sight:
    """A supervisor, to look at. learned: how long wakes and services take. measured: what it takes, or took last."""

    name: str
    spec: EngineSpec
    learned: Learned
    measured: Measured | None
    _machine: EngineMachine
    _clock: Clock
    _performer: Performer
    _spells: Spells
    _alarm: Alarm
    _waiters: dict[int, Waiter]
    _last_used: float

    def __repr__(self) -> str:
        idle = self.idle_in
        return repr(self._machine).removesuffix(">") + (f" idle in {idle:.0f}s>" if idle is not None else ">")

    @property
    def looked(self) -> asyncio.Event:
        """Set when the runtime has been inspected once, or could not be."""
        return self._performer.looked

    @property
    def phase(self) -> Phase:
        return self._machine.phase

    @property
    def serving(self) -> int:
        """Requests that hold it awake."""
        return len(self._machine.serving)

    @property
    def leases(self) -> frozenset[int]:
        """The tickets of all who are served, quiet ones too."""
        return frozenset(self._machine.serving | self._machine.quiet)

    @property
    def waiting(self) -> int:
        return len(self._machine.waiting)

    @property
    def waiting_bytes(self) -> int:
        """How large the bodies of those that wait are together, as declared."""
        return self._machine.waiting.size

    def queue(self) -> list[Place]:
        """Who waits, in the order in which they will be let in if nobody else comes."""
        now = self._clock.monotonic()
        waiters = ((number, self._waiters.get(ticket)) for number, ticket in enumerate(self._machine.waiting, start=1))
        return [Place(number, waiter.visit, now - waiter.since) for number, waiter in waiters if waiter is not None]

    @property
    def warm(self) -> bool:
        """Whether it is kept awake by the clock."""
        return self._machine.warm

    @property
    def failure(self) -> str | None:
        """Why it failed the last time; None once it is ready again."""
        return self._machine.failures.reason

    @property
    def failure_in_public(self) -> str | None:
        """The same in words that anybody may be told."""
        return None if self.failure is None else self._machine.failures.public

    @property
    def failures(self) -> int:
        """How often it has failed in a row."""
        return self._machine.failures.count

    @property
    def retry_in(self) -> float | None:
        """Seconds until an engine that has failed is tried again; None while it need not rest."""
        return self._alarm.due_in if self.phase is FAILED and self._alarm.why is AlarmKind.REST else None

    @property
    def instance(self) -> str | None:
        """The run of its program that is known of."""
        return self._machine.instance

    @property
    def at_rest(self) -> bool:
        """Whether the engine sleeps, waits for room or has failed, and no stop is under way any more."""
        return self.phase in (ASLEEP, QUEUED, FAILED) and self._performer.up_to_date

    @property
    def in_phase_for(self) -> float:
        """Seconds since the phase last changed."""
        return self._clock.monotonic() - self._spells.phase_since

    @property
    def ready_since(self) -> float | None:
        """When this run became ready, by the clock; contact that was lost for a moment is no end of that."""
        return self._spells.ready_since

    @property
    def last_used(self) -> float:
        """When a request was last there, by the clock. Known only of engines that share a budget."""
        return self._clock.monotonic() if self._machine.serving else self._last_used

    @property
    def slow_wake(self) -> float | None:
        """Seconds that nine wakes in ten take no longer than; None if nothing was learned yet."""
        return self.learned.wakes.p90

    @property
    def uptime(self) -> float | None:
        """Seconds since the engine's program was started; None while it does not run, as far as we know."""
        since = self._performer.running_since
        if since is None or self._machine.instance is None or self.phase in (ASLEEP, QUEUED, FAILED):
            return None
        return self._clock.monotonic() - since

    @property
    def idle_in(self) -> float | None:
        """Seconds until an idle engine is stopped; None while it is not idle, or never stopped for that."""
        if self.phase is not READY or self.serving or self.warm or self.spec.idle_after is None:
            return None
        return self._alarm.due_in
