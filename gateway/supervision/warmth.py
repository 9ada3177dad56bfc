"""Keeps engines awake by the clock: in the hours of their `keep_warm`, and from the start with `preload`.

Hours are told in local time, and local time jumps: so each of an engine's hours is first made a span between two
moments of the world's time. An hour that the clock leaves out in spring, or shows twice in autumn, is read to be as
long as it can be meant: an engine is never cold in a minute that a person would count among its hours.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

import structlog

from gateway.clock import Clock, SystemClock
from gateway.config.schema import EngineSpec
from gateway.config.warm_hours import WarmHours
from gateway.lifecycle.events import Event, WakeAsked, WarmthChanged

LOOK_SECONDS = 30.0
"""The world's clock may be set: how late that is noticed at most."""

LONGEST_LEAD = 120.0
"""Seconds before its hours that an engine is woken at most, however long its wakes take."""

UNLOOKED_SECONDS = 1.0
"""Until the next look while an engine has not been looked at, and may run already."""

WEEK = 7
"""Days after which hours come again."""


class Engine(Protocol):
    """What is seen of a supervisor here."""

    name: str
    spec: EngineSpec

    @property
    def looked(self) -> asyncio.Event: ...
    @property
    def slow_wake(self) -> float | None: ...

    def tell(self, event: Event) -> None: ...


def is_warm(now: datetime, hours: Iterable[WarmHours], zone: ZoneInfo) -> bool:
    """Whether `now` lies in one of these hours."""
    return any(start <= now < end for start, end in _spans(now, hours, zone))


def next_change(now: datetime, hours: Sequence[WarmHours], zone: ZoneInfo) -> datetime | None:
    """When the hours begin or end next; None if they never do."""
    spans = list(_spans(now, hours, zone))
    horizon = now + timedelta(days=WEEK, hours=2)  # a week may be longer by what the clocks are put back
    moments = sorted({moment for span in spans for moment in span if now < moment <= horizon})
    warm = is_warm(now, hours, zone)
    return next((moment for moment in moments if any(s <= moment < e for s, e in spans) is not warm), None)


def _spans(now: datetime, hours: Iterable[WarmHours], zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    """All that may concern this moment and the week after it."""
    today = now.astimezone(zone).date()
    for days in range(-2, WEEK + 2):
        day = today + timedelta(days=days)
        for span in hours:
            if day.weekday() in span.days:
                yield min(_moments(day, span.start, zone)), max(_moments(day, span.end, zone))


def _moments(day: date, minutes: int, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """What this time of day can mean: two different moments where the clock leaves it out or shows it twice."""
    days, minutes = divmod(minutes, 24 * 60)
    wall = datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(days=days, minutes=minutes)
    return wall.replace(fold=0).astimezone(UTC), wall.replace(fold=1).astimezone(UTC)


def world_time() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


class Warmth:
    """One for all engines.

    engines: those of now. zone: the name of the time zone of now. Both may be others after a reload. world: the world's
    time, which may be set.
    """

    def __init__(
        self,
        engines: Callable[[], Iterable[Engine]],
        zone: Callable[[], str],
        clock: Clock | None = None,
        world: Callable[[], datetime] = world_time,
    ) -> None:
        self._engines = engines
        self._zone = zone
        self._clock = clock or SystemClock()
        self._world = world
        self._told: WeakKeyDictionary[Engine, bool] = WeakKeyDictionary()
        self._preloads: WeakKeyDictionary[Engine, bool] = WeakKeyDictionary()  # as their entries said it last
        self._due = asyncio.Event()

    async def run(self) -> None:
        """Tell engines when their hours begin and end, for ever. Cancel to end."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._due.clear()
                for engine in self._newly_preloaded():
                    tasks.create_task(self._preload(engine))
                timer = self._clock.call_later(self._looked(), self._due.set)
                try:
                    await self._due.wait()
                finally:
                    timer.cancel()

    def reconsider(self) -> None:
        """The configuration changes in this step: look again after it."""
        self._due.set()

    def _looked(self) -> float:
        try:
            return self.look()
        except Exception:  # a mistake of ours; the engines go on without their hours
            structlog.get_logger().exception("gateway.warmth_broke")
            return LOOK_SECONDS

    def look(self) -> float:
        """Tell every engine for which it has changed whether these are its hours; returns seconds until the next look.

        Only changes are told: an engine that an operator has put to sleep in its hours sleeps.
        """
        now, zone = self._world(), ZoneInfo(self._zone())
        seconds = LOOK_SECONDS
        for engine in self._engines():
            if not engine.looked.is_set():
                seconds = min(seconds, UNLOOKED_SECONDS)
                continue
            # Who was woken ahead of its hours stays awake until they begin, also if its wakes proved to be shorter.
            lead = timedelta(seconds=LONGEST_LEAD if self._told.get(engine) else _lead(engine))
            change = next_change(now, engine.spec.keep_warm, zone)
            warm = is_warm(now, engine.spec.keep_warm, zone)
            soon = change is not None and change - now <= lead
            self._tell(engine, warm=warm or soon)
            if change is not None:
                seconds = min(seconds, *((moment - now).total_seconds() for moment in _looks(change, lead, now)))
        return max(seconds, 0.001)

    def _tell(self, engine: Engine, *, warm: bool) -> None:
        if self._told.get(engine, False) is warm:
            return
        self._told[engine] = warm
        self._act(engine, WarmthChanged(warm=warm))

    def _newly_preloaded(self) -> list[Engine]:
        """Those that were not there at the last look, or were not to be preloaded then."""
        engines = [engine for engine in self._engines() if engine.spec.preload is not self._preloads.get(engine, False)]
        self._preloads.update((engine, engine.spec.preload) for engine in engines)
        return [engine for engine in engines if engine.spec.preload]

    async def _preload(self, engine: Engine) -> None:
        """When it is known what runs already, which needs no wake; unless a reload has thought better of it."""
        await engine.looked.wait()
        if engine.spec.preload and engine in self._engines():
            self._act(engine, WakeAsked(politely=True))

    def _act(self, engine: Engine, event: Event) -> None:
        try:
            engine.tell(event)
        except Exception:  # a mistake of ours, which the other engines shall not suffer for
            structlog.get_logger().exception("engine.warmth_broke", engine=engine.name)


def _looks(change: datetime, lead: timedelta, now: datetime) -> list[datetime]:
    """The wake ahead of a change, if that is still to come, and the change itself."""
    return [moment for moment in (change - lead, change) if moment > now]


def _lead(engine: Engine) -> float:
    """Seconds that the wake is begun ahead of its hours."""
    usual = engine.spec.start_timeout / 2 if engine.slow_wake is None else engine.slow_wake
    return min(LONGEST_LEAD, usual)
