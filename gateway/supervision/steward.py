"""Shares out the budget: hears who wants room, sees what stands where, and tells who gets it and who has to make it.

What an engine takes is never written down here: at each decision it is read off the engines themselves, so it cannot
drift from what is true. Kept is only what they cannot tell: in which order they asked, and who was told to make room.

Calls from the engines are hints that something has changed; the decision follows in a step of its own. As long as
somebody waits there is a look each second besides, for what nobody hints at, such as a request that has ended.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Protocol, TypeVar
from weakref import WeakKeyDictionary

import structlog

from gateway.announcements import Announcements, Evicted
from gateway.clock import Clock, SystemClock, Timer
from gateway.config.schema import Budget as BudgetSettings
from gateway.config.schema import EngineSpec, Needs
from gateway.lifecycle.budget import Ask, Budget, Decision, Room, Stay, Tenant
from gateway.lifecycle.events import Event, RoomGranted, RoomWanted
from gateway.lifecycle.phases import ASLEEP, FAILED, QUEUED, READY, STOPPING, WAKING, Phase
from gateway.supervision import room
from gateway.supervision.learned import Times

LOOK_SECONDS = 1.0

COMES_AGAIN_SECONDS = 60.0
"""Who gives up keeps its place for as long as it has waited for it, and no longer than this. Where requests take longer
than anybody would wait, those who are refused, or lose patience, and come again would else never find room: each time
that they go, others are let in for as long again."""

SHUT_FOR = 0.9
"""An engine that makes room is shut while somebody waits there for this part of `queue.max_wait` and nobody leaves it.
So who comes meanwhile is not refused only because somebody else never leaves."""


class Engine(Protocol):
    """What the steward sees of a supervisor, and the one thing it does with it. Times are the clock's."""

    name: str
    spec: EngineSpec

    @property
    def looked(self) -> asyncio.Event: ...
    @property
    def held_back(self) -> bool: ...
    @property
    def phase(self) -> Phase: ...
    @property
    def at_rest(self) -> bool: ...
    @property
    def serving(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def leases(self) -> frozenset[int]: ...
    @property
    def warm(self) -> bool: ...
    @property
    def ready_since(self) -> float | None: ...
    @property
    def last_used(self) -> float: ...
    def tell(self, event: Event) -> None: ...


E = TypeVar("E", bound=Engine)


class Seat:
    """One supervisor's way to the steward: a `Room`. An old and a new supervisor of one name have a seat each.

    number: its place in the order of asking, None if it does not ask. asked: when it got that. gave_up: when it gave
    up; its place is kept for a while. since: when the engine first became ready after it got room; one that loses
    contact again and again has no new turn each time. wanted: it was told to make room. leaving: who was served when it
    was last seen to empty, or nobody to wait at its door, which was `emptied`. outlasting: who was served after it had
    been shut in vain; so often `in_vain` in a row. waits: how long it had to wait, when it had to.
    """

    __slots__ = (
        "_steward", "asked", "emptied", "gave_up", "in_vain", "key", "leaving", "number", "outlasting", "politely",
        "since", "waits", "wanted",
    )  # fmt: skip

    def __init__(self, steward: Steward, key: str) -> None:
        self._steward = steward
        self.key = key
        self.number: int | None = None
        self.politely = False
        self.asked = 0.0
        self.gave_up: float | None = None
        self.since: float | None = None
        self.wanted = False
        self.emptied = 0.0
        self.in_vain = 0
        self.leaving: frozenset[int] = frozenset()
        self.outlasting: frozenset[int] = frozenset()
        self.waits = Times()

    def __repr__(self) -> str:
        return f"<Seat {self.key} number={self.number}>"

    def ask(self, *, politely: bool) -> None:
        gone = self.gave_up is not None and not self.is_kept
        if self.number is None or gone or (self.politely and not politely):
            self.number = self._steward.next_number()
            self.asked = self._steward.now
        self.politely = politely
        self.gave_up = None
        self._steward.reconsider()

    def give_up(self) -> None:
        if self.gave_up is None:
            self.gave_up = self._steward.now
        self._steward.reconsider()

    def granted(self) -> None:
        """It has got room. What it got at once it has not waited for; and a polite ask stands back for everybody."""
        waited = self._steward.now - self.asked
        if waited >= LOOK_SECONDS and not self.politely:
            self.waits.add(waited)
        self.number = self.since = None

    @property
    def wait(self) -> float:
        """What nine waits in ten have taken, less what this one has already; the others' turn, if there were none."""
        usual = self._steward.turn if self.waits.p90 is None else self.waits.p90
        if self.number is not None and self.gave_up is None:
            return max(0.0, usual - (self._steward.now - self.asked))
        return usual if self.wanted else 0.0

    @property
    def is_kept(self) -> bool:
        """Whether it has given up, and may come again."""
        if self.number is None or self.politely or self.gave_up is None:
            return False
        return self._steward.now - self.gave_up < min(self.gave_up - self.asked, COMES_AGAIN_SECONDS)

    def changed(self) -> None:
        self._steward.reconsider()

    def is_outlasted(self, engine: Engine) -> bool:
        """Whether somebody is still served who has outlasted that the engine was shut."""
        if self.outlasting:
            self.outlasting &= engine.leases
        return bool(self.outlasting)

    def is_shut(self, engine: Engine) -> bool:
        """Whether the engine, which shall make room, admits nobody as of now. To be asked at each look.

        Who may be there for ever is not waited for with the door shut: it is opened when nobody has left for too long,
        until the last of those has left who were there then. After that it is shut for twice as long: so requests that
        do end, however long they take, are all waited for in the end.
        """
        served, now = engine.leases, self._steward.now
        if not served or self.is_outlasted(engine):
            return not served
        if served != self.leaving or not engine.waiting:
            self.leaving, self.emptied = served, now
        if now - self.emptied < SHUT_FOR * engine.spec.queue.max_wait * 2**self.in_vain:
            return True
        self.outlasting = served
        self.in_vain += 1
        return False

    def let_be(self) -> None:
        """The engine's room is not wanted any more."""
        self.wanted = False
        self.in_vain = 0
        self.leaving = frozenset()


class Steward:
    """Shares out what the configuration's `budget` has, among those of `engines` that have a seat.

    turn: seconds that who has got room may stay.
    """

    def __init__(
        self,
        engines: Callable[[], Iterable[Engine]],
        settings: BudgetSettings | None = None,
        clock: Clock | None = None,
        announce: Announcements | None = None,
    ) -> None:
        self._engines = engines
        self._clock = clock or SystemClock()
        self._announce = announce or Announcements()
        self._seats: WeakKeyDictionary[Engine, Seat] = WeakKeyDictionary()
        self._numbers = itertools.count(1)
        self._keys = itertools.count(1)
        self._timer: Timer | None = None
        self._next_turn: float | None = None
        self._due = False
        self._log = structlog.get_logger()
        self.turn = 0.0
        self._budget = Budget({})
        self._take(settings)

    def __repr__(self) -> str:
        return f"<Steward of {self._budget.capacity} asking={[engine.name for engine, _ in self._asking()]}>"

    # who sits at the table

    def counts(self, needs: Needs) -> bool:
        """Whether an engine with these needs has to ask for room."""
        return bool(self._budget.counted(_needs(needs)))

    def seated(self, make: Callable[[room.Room], E]) -> E:
        """Make an engine that asks here for its room."""
        seat = Seat(self, str(next(self._keys)))
        engine = make(seat)
        self._seats[engine] = seat
        return engine

    def configure(self, settings: BudgetSettings | None) -> None:
        """The budget has changed, or what engines need."""
        self._take(settings)
        self.reconsider()

    def _seated(self) -> list[tuple[Engine, Seat]]:
        return [(engine, self._seats[engine]) for engine in self._engines() if engine in self._seats]

    def _take(self, settings: BudgetSettings | None) -> None:
        capacity = {} if settings is None else {"memory": settings.memory, "gpu_memory": settings.gpu_memory}
        self.turn = 0.0 if settings is None else settings.turn
        self._budget = Budget({name: limit for name, limit in capacity.items() if limit is not None})

    # decisions

    def next_number(self) -> int:
        return next(self._numbers)

    @property
    def now(self) -> float:
        return self._clock.monotonic()

    def reconsider(self) -> None:
        """Something has changed. Decides soon, and not from inside this call."""
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._decide)

    def _decide(self) -> None:
        self._due = False
        try:
            self._follow(self._decision())
        except Exception:  # a mistake of ours: who waits is looked at again
            self._log.exception("gateway.budget_broke")
        self._look_later()

    def _decision(self) -> Decision:
        seated = self._seated()
        tenants = [self._tenant(engine, seat) for engine, seat in seated]
        asks = [Ask(seat.key, _needs(engine.spec.needs), seat.politely) for engine, seat in self._asking()]
        decision = self._budget.decide(self._clock.monotonic(), filter(None, tenants), asks)
        self._next_turn = decision.again_at
        return decision

    def _asking(self) -> list[tuple[Engine, Seat]]:
        """In the order of asking, with those whose place is kept."""
        asking = [(seat.number, engine, seat) for engine, seat in self._seated() if seat.number is not None]
        asking.sort(key=itemgetter(0))
        return [(engine, seat) for _, engine, seat in asking if engine.phase is QUEUED or _is_kept(engine, seat)]

    def _tenant(self, engine: Engine, seat: Seat) -> Tenant | None:
        """How the engine stands; None if it takes no room.

        One that nobody has looked at may run, unless it waits to take the place of an earlier one, which counts itself.
        """
        if engine.phase is QUEUED or _is_kept(engine, seat):
            seat.since = None
            return None
        seat.number = None  # it does not wait any more, however that came
        stay = _stay(engine)
        if stay is None and not engine.looked.is_set() and not engine.held_back:
            stay = Stay.BEGINNING
        if stay is None:
            seat.since = None
            return None
        needs = _needs(engine.spec.needs)
        if stay is not Stay.SETTLED:
            return Tenant(seat.key, needs, stay)
        if seat.since is None:
            seat.since = engine.ready_since
        since = self._clock.monotonic() if seat.since is None else seat.since
        turn_ends = since + max(self.turn, engine.spec.min_awake)
        return Tenant(
            seat.key, needs, stay, engine.serving > 0, turn_ends, since, engine.last_used, engine.warm,
            stuck=seat.is_outlasted(engine),
        )  # fmt: skip

    def _follow(self, decision: Decision) -> None:
        """Who has to make room is told before anybody gets some, and so is who has to no longer."""
        seated = self._seated()
        names = {seat.key: engine.name for engine, seat in seated}
        for engine, seat in seated:
            wanted_by = decision.victims.get(seat.key)
            if wanted_by is not None:
                self._want(engine, seat, names[wanted_by])
            elif seat.wanted:
                seat.let_be()
                self._tell(engine, RoomWanted(wanted=False))
        for engine, seat in seated:
            if seat.key in decision.grants and engine.phase is QUEUED:
                seat.granted()
                self._tell(engine, RoomGranted())

    def _want(self, engine: Engine, seat: Seat, wanted_by: str) -> None:
        """Told again and again: an engine that was restarted meanwhile has forgotten it."""
        is_shut = seat.is_shut(engine)
        if is_shut and not seat.wanted:
            seat.wanted = True
            self._log.info("engine.makes_room", engine=engine.name, wanted_by=wanted_by, serving=engine.serving)
            self._announce.tell(Evicted(engine.name, wanted_by))
        self._tell(engine, RoomWanted(wanted=is_shut))

    def _tell(self, engine: Engine, event: Event) -> None:
        try:
            engine.tell(event)
        except Exception:  # a mistake of ours, which the other engines shall not suffer for
            self._log.exception("gateway.budget_broke", engine=engine.name)

    def _look_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._asking():
            now = self._clock.monotonic()
            turn = LOOK_SECONDS if self._next_turn is None else max(0.0, self._next_turn - now)
            self._timer = self._clock.call_later(min(LOOK_SECONDS, turn), self.reconsider)


def _is_kept(engine: Engine, seat: Seat) -> bool:
    return engine.phase is ASLEEP and seat.is_kept


def _needs(needs: Needs) -> Room:
    return {"memory": needs.memory or 0, "gpu_memory": needs.gpu_memory or 0}


def _stay(engine: Engine) -> Stay | None:
    """How far the engine is; None if it does not run, as far as is known."""
    phase = engine.phase
    if phase is READY:
        return Stay.SETTLED
    if phase is WAKING:
        return Stay.BEGINNING
    if phase is STOPPING or (phase in (ASLEEP, FAILED) and not engine.at_rest):
        return Stay.LEAVING
    return None
