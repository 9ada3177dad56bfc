"""Engines are told when their hours begin and end, ahead of time, and whatever the world's clock does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.config.schema import EngineSpec
from gateway.lifecycle.events import Event, WakeAsked, WarmthChanged
from gateway.supervision.warmth import LOOK_SECONDS, Warmth
from tests.fixtures.clock import FakeClock
from tests.unit.supervision.stage import calm

pytestmark = pytest.mark.anyio

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


class Engine:
    """Remembers what it was told, and when."""

    def __init__(self, stage: Stage, *hours: str, **settings: Any) -> None:
        self.name = "whisper"
        words = {"hosts": ("x.test",), "process": {"command": ["x"]}, "port": 8000, "keep_warm": hours, **settings}
        self.spec = EngineSpec.model_validate(words)
        self.looked = asyncio.Event()
        self.looked.set()
        self.slow_wake: float | None = None
        self.told: list[tuple[str, Event]] = []
        self.fails = False
        self._stage = stage

    def tell(self, event: Event) -> None:
        self.told.append((self._stage.now.strftime("%a %H:%M:%S"), event))
        if self.fails:
            raise RuntimeError("a mistake of ours")


class Stage:
    """Both clocks go together until one is set."""

    def __init__(self, now: datetime = MONDAY, zone: str = "UTC") -> None:
        self.clock = FakeClock()
        self.zone = zone
        self.engines: list[Engine] = []
        self._ahead = now - timedelta(seconds=self.clock.monotonic())
        self.warmth = Warmth(lambda: self.engines, lambda: self.zone, self.clock, lambda: self.now)

    @property
    def now(self) -> datetime:
        return self._ahead + timedelta(seconds=self.clock.monotonic())

    def engine(self, *hours: str, **settings: Any) -> Engine:
        self.engines.append(Engine(self, *hours, **settings))
        return self.engines[-1]

    def steps(self, delta: timedelta) -> None:
        """The world's clock is set."""
        self._ahead += delta

    async def passes(self, **words: float) -> None:
        until = self.clock.monotonic() + timedelta(**words).total_seconds()
        while self.clock.monotonic() < until:
            self.clock.advance(min([until - self.clock.monotonic(), *self.clock.pending]))
            for _ in range(5):
                await asyncio.sleep(0)

    @asynccontextmanager
    async def runs(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.warmth.run())
            await calm()
            yield
            assert not running.done()
            running.cancel()


WARM, COLD = WarmthChanged(warm=True), WarmthChanged(warm=False)


async def test_an_engine_is_told_ahead_of_its_hours_and_at_their_end() -> None:
    stage = Stage()
    engine = stage.engine("Mon-Fri 08:00-18:00")
    engine.slow_wake = 40
    async with stage.runs():
        await stage.passes(hours=48)
    assert engine.told == [
        ("Mon 07:59:20", WARM),
        ("Mon 18:00:00", COLD),
        ("Tue 07:59:20", WARM),
        ("Tue 18:00:00", COLD),
    ]


@pytest.mark.parametrize(
    ("slow_wake", "start_timeout", "when"),
    [(None, "3m", "07:58:30"), (None, "1h", "07:58:00"), (7.0, "1h", "07:59:53"), (900.0, "1h", "07:58:00")],
)
async def test_how_far_ahead_is_what_wakes_have_taken_or_may_take(
    slow_wake: float | None, start_timeout: str, when: str
) -> None:
    stage = Stage()
    engine = stage.engine("daily 08:00-09:00", start_timeout=start_timeout)
    engine.slow_wake = slow_wake
    async with stage.runs():
        await stage.passes(hours=12)
    assert engine.told[0] == (f"Mon {when}", WARM)


async def test_who_is_woken_ahead_stays_awake_until_its_hours_begin_though_it_woke_sooner() -> None:
    """What its wake has taken is learned meanwhile."""
    stage = Stage()
    engine = stage.engine("daily 08:00-09:00", start_timeout="3m")
    async with stage.runs():
        await stage.passes(hours=7, minutes=58, seconds=31)
        assert [event for _, event in engine.told] == [WARM]
        engine.slow_wake = 2
        await stage.passes(hours=2)
    assert engine.told == [("Mon 07:58:30", WARM), ("Mon 09:00:00", COLD)]


async def test_an_engine_without_hours_is_told_nothing() -> None:
    stage = Stage()
    engine = stage.engine()
    async with stage.runs():
        await stage.passes(hours=24)
    assert engine.told == []


async def test_a_gateway_that_starts_within_the_hours_tells_at_once() -> None:
    stage = Stage(MONDAY + timedelta(hours=12))
    engine = stage.engine("always")
    async with stage.runs():
        assert engine.told == [("Mon 12:00:00", WARM)]
        await stage.passes(hours=48)
    assert len(engine.told) == 1, "and does not tell again what has not changed: an operator may have put it to sleep"


async def test_an_engine_is_told_nothing_before_it_is_known_whether_it_runs() -> None:
    stage = Stage()
    engine = stage.engine("always")
    engine.looked.clear()
    async with stage.runs():
        assert engine.told == []
        engine.looked.set()
        await stage.passes(seconds=1)
        assert engine.told == [("Mon 00:00:01", WARM)]


async def test_the_local_clock_counts_also_when_it_is_changed() -> None:
    """In New York the clocks go back at 02:00 on Sunday, 2026-11-01."""
    stage = Stage(datetime(2026, 10, 31, tzinfo=UTC), zone="America/New_York")
    engine = stage.engine("daily 08:00-09:00")
    engine.slow_wake = 0
    async with stage.runs():
        await stage.passes(hours=48)
    assert [when for when, _ in engine.told] == ["Sat 12:00:00", "Sat 13:00:00", "Sun 13:00:00", "Sun 14:00:00"]


@pytest.mark.parametrize("step", [timedelta(hours=9), timedelta(days=400, hours=9), timedelta(hours=-15)])
async def test_when_the_worlds_clock_is_set_it_is_noticed_soon(step: timedelta) -> None:
    """400 days later it is a Monday, too, and 15 hours earlier a Sunday."""
    stage = Stage()
    engine = stage.engine("daily 08:30-09:30")
    engine.slow_wake = 60
    async with stage.runs():
        stage.steps(step)
        await stage.passes(seconds=LOOK_SECONDS)
        assert [event for _, event in engine.told] == [WARM]
        stage.steps(timedelta(hours=2))
        await stage.passes(seconds=LOOK_SECONDS)
        assert [event for _, event in engine.told] == [WARM, COLD]


async def test_a_clock_that_is_set_to_and_fro_changes_nothing_that_is_over() -> None:
    stage = Stage()
    engine = stage.engine("daily 08:00-09:00")
    async with stage.runs():
        for _ in range(5):
            stage.steps(timedelta(hours=8, minutes=30))
            stage.steps(timedelta(hours=-8, minutes=-30))
            await stage.passes(minutes=1)
    assert engine.told == []


async def test_new_hours_count_from_the_next_look() -> None:
    stage = Stage()
    engine = stage.engine("always")
    async with stage.runs():
        engine.spec = stage.engine().spec
        await stage.passes(seconds=LOOK_SECONDS)
        assert [event for _, event in engine.told] == [WARM, COLD]
        other = stage.engine("always")
        await stage.passes(seconds=LOOK_SECONDS)
        assert [event for _, event in other.told] == [WARM]


async def test_after_a_reload_new_hours_count_at_once() -> None:
    stage = Stage()
    engine = stage.engine()
    async with stage.runs():
        engine.spec = stage.engine("always").spec
        stage.warmth.reconsider()
        await calm()
        assert engine.told == [("Mon 00:00:00", WARM)]


async def test_preloaded_engines_are_woken_once_when_it_is_known_what_runs() -> None:
    stage = Stage()
    engine, other = stage.engine(preload=True), stage.engine()
    engine.looked.clear()
    async with stage.runs():
        assert engine.told == []
        engine.looked.set()
        await stage.passes(hours=2)
    assert [event for _, event in engine.told] == [WakeAsked(politely=True)]
    assert other.told == []


async def test_an_engine_that_a_reload_adds_or_replaces_is_preloaded_when_it_is_known_what_runs() -> None:
    stage = Stage()
    async with stage.runs():
        engine = stage.engine(preload=True)
        engine.looked.clear()
        stage.warmth.reconsider()
        await stage.passes(seconds=1)
        assert engine.told == []
        engine.looked.set()
        await calm()
        assert [event for _, event in engine.told] == [WakeAsked(politely=True)]
        stage.engines = [other] = [Engine(stage, preload=True)]
        stage.warmth.reconsider()
        await stage.passes(minutes=5)
        assert [event for _, event in other.told] == [WakeAsked(politely=True)]
    assert len(engine.told) == 1


async def test_an_engine_whose_preload_a_reload_turns_on_is_woken_then_and_by_no_other_reload() -> None:
    stage = Stage()
    engine = stage.engine()
    on = Engine(stage, preload=True).spec
    off = engine.spec
    async with stage.runs():
        for spec, told in [
            (off, 0),
            (on, 1),
            (on, 1),
            (on.model_copy(update={"idle_after": 5.0}), 1),
            (off, 1),
            (on, 2),
        ]:
            engine.spec = spec
            stage.warmth.reconsider()
            await stage.passes(minutes=1)
            assert len(engine.told) == told


@pytest.mark.parametrize("stays", [False, True])
async def test_what_is_not_to_be_preloaded_any_more_before_it_is_known_is_not(*, stays: bool) -> None:
    """It was removed, or its preload taken back."""
    stage = Stage()
    engine = stage.engine(preload=True)
    engine.looked.clear()
    async with stage.runs():
        if stays:
            engine.spec = Engine(stage).spec
        else:
            stage.engines.clear()
        stage.warmth.reconsider()
        engine.looked.set()
        await stage.passes(minutes=1)
    assert engine.told == []


async def test_an_engine_that_breaks_keeps_no_other_from_its_hours() -> None:
    stage = Stage()
    broken, well = stage.engine("always", preload=True), stage.engine("always")
    broken.fails = True
    async with stage.runs():
        await stage.passes(minutes=5)
    assert [event for _, event in well.told] == [WARM]


async def test_an_engine_that_cannot_be_judged_ends_nothing() -> None:
    stage = Stage()
    stage.zone = "No/Where"
    engine = stage.engine("always")
    async with stage.runs():
        await stage.passes(minutes=1)
        stage.zone = "UTC"
        await stage.passes(minutes=1)
    assert [event for _, event in engine.told] == [WARM]
