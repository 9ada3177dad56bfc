"""A day and more of simulated time: engines sleep and wake when they should, whatever is done to the world's clock."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from gateway.lifecycle.phases import ASLEEP, READY
from gateway.supervision.warmth import LONGEST_LEAD, LOOK_SECONDS, Warmth
from tests.chaos.report import Trial
from tests.chaos.scale import scaled
from tests.fixtures.clock import FakeClock
from tests.unit.supervision.stage import Stage, calm, supervised

BEGIN = datetime(2026, 3, 28, 12, tzinfo=UTC)
"""Of a day with a night in which the clocks are put forward."""
HOURS = scaled(24, 24 * 14)
ZONE = ZoneInfo("Europe/Berlin")
CHANGE = datetime(2026, 3, 29, 1, tzinfo=UTC)
IDLE = {"plain": 900.0, "office": 300.0, "night": 60.0, "always": 60.0}
KEPT = {"office": ["Sat-Sun 08:00-18:00", "Mon-Fri 07:30-19:00"], "night": ["daily 22:00-02:30"], "always": ["always"]}


def hours_of(name: str, now: datetime) -> bool:
    """Whether a person who looks at the clock on the wall would say that these are the engine's hours."""
    local = now.astimezone(ZONE)
    match name:
        case "always":
            return True
        case "office":
            begin, end = (time(8), time(18)) if local.weekday() >= 5 else (time(7, 30), time(19))
            return begin <= local.time() < end
        case "night":
            return local.time() >= time(22) or local.time() < time(2, 30)
        case _:
            return False


@dataclass
class World:
    """The clock on the wall: it goes on as all time does, and is set now and then."""

    clock: FakeClock
    stepped_at: float = 0.0
    steps: int = 0
    _offset: timedelta = field(default_factory=timedelta)

    def __post_init__(self) -> None:
        self._begin = self.clock.monotonic()

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.clock.monotonic() - self._begin) + self._offset

    def step(self, seconds: float) -> None:
        self._offset += timedelta(seconds=seconds)
        self.stepped_at = self.clock.monotonic()
        self.steps += 1


@dataclass
class Day:
    """One engine's day. left_at: when its last visitor left. warm_until: when its hours were last seen to be."""

    name: str
    stage: Stage
    visits: int = 0
    present: int = 0
    left_at: float = -1e9
    warm_until: float = -1e9
    cold_since: float = 0.0

    async def visit(self, seconds: float, clock: FakeClock) -> None:
        """One request, which takes so long."""
        self.visits += 1
        over = asyncio.Event()
        async with self.stage.engine.admitted():
            self.present += 1
            clock.call_later(seconds, over.set)
            try:
                await over.wait()
            finally:
                self.present -= 1
                self.left_at = clock.monotonic()

    def look(self, world: World) -> None:
        """Raises AssertionError if the engine is not as it should be at this moment."""
        now, moment = world.clock.monotonic(), world.now()
        phase = self.stage.phase
        assert phase in (READY, ASLEEP), f"{self.name} is {phase} though nothing takes any time"
        if self.present:
            assert phase is READY
        soon = moment + timedelta(seconds=LONGEST_LEAD)
        if hours_of(self.name, moment) or hours_of(self.name, soon) or abs(moment - CHANGE) < timedelta(hours=1):
            self.warm_until = now
        if not hours_of(self.name, moment):
            self.cold_since = now
        if now - max(self.cold_since, world.stepped_at) > LOOK_SECONDS + 1:
            assert phase is READY, f"{self.name} sleeps in its hours, at {moment}"
        awake_for = max(self.left_at, self.warm_until, world.stepped_at + LOOK_SECONDS)
        if not self.present and now - awake_for > IDLE[self.name] + 1:
            assert phase is ASLEEP, f"{self.name} is awake at {moment}, {now - awake_for} s after its last use"
        if now - self.left_at < IDLE[self.name] - 1:
            assert phase is READY, f"{self.name} was put to sleep {now - self.left_at} s after its last use"


@pytest.mark.anyio
async def test_a_day_with_clock_steps(trial: Trial, source: random.Random) -> None:
    trial.must("schedules and idle times right")
    clock = FakeClock()
    world = World(clock)
    days = [
        Day(name, Stage(name, clock=clock, idle_after=IDLE[name], keep_warm=KEPT.get(name, []), start_timeout=60))
        for name in IDLE
    ]
    warmth = Warmth(lambda: [day.stage.engine for day in days], lambda: str(ZONE), clock, world.now)
    end = clock.monotonic() + HOURS * 3600
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(supervised(*(day.stage for day in days)))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        telling = group.create_task(warmth.run())
        for day in days:
            await day.stage.engine.looked.wait()
        await calm()
        while clock.monotonic() < end:
            await _go_on(clock, source, days, world, group)
        while any(day.present for day in days):
            clock.advance(60)
            await calm()
        telling.cancel()
    counts = Counter({day.name: day.stage.runtime.starts for day in days})
    visits = sum(day.visits for day in days)
    trial.measured(f"{HOURS} h, {visits:,} visits, {world.steps} steps of the clock; starts: {dict(counts)}")
    for day in days:
        assert abs(day.stage.runtime.starts - day.stage.runtime.stops) <= 1
    assert counts["always"] == 1


async def _go_on(
    clock: FakeClock, source: random.Random, days: list[Day], world: World, group: asyncio.TaskGroup
) -> None:
    """To the next moment at which something happens, at most ten seconds on; then somebody may come."""
    due = [left for left in clock.pending[:1] if left > 0]
    clock.advance(min([*due, 10.0]))
    await calm()
    for day in days:
        day.look(world)
    if source.random() < 0.01:
        day = source.choice(days)
        for _ in range(source.choice([1, 1, 1, 5])):
            group.create_task(day.visit(source.choice([0.0, 0.1, 3.0, 600.0, 4000.0]), clock))
        await calm()
    if source.random() < 0.0007:
        world.step(source.choice([-7200, -3600, -90, -1, 1, 90, 3600, 7200]))
