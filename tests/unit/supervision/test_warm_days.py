"""Days of simulated time with a real supervisor: its hours, its idle time, and an operator's wishes go together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from gateway.lifecycle.events import SleepAsked, WarmthChanged
from gateway.lifecycle.phases import ASLEEP, FAILED, READY
from gateway.supervision.warmth import LOOK_SECONDS, Warmth
from tests.unit.supervision.stage import Stage, calm, supervised

pytestmark = pytest.mark.anyio

BERLIN = ZoneInfo("Europe/Berlin")
IDLE = 900


class Days:
    """An engine with hours in Berlin, from a moment of local time on."""

    def __init__(self, begin: str, *hours: str, idle_after: float = IDLE, start_timeout: float = 60) -> None:
        self.stage = Stage(keep_warm=hours, idle_after=idle_after, start_timeout=start_timeout)
        self._ahead = datetime.fromisoformat(begin).replace(tzinfo=BERLIN).timestamp() - self.stage.clock.monotonic()
        self.warmth = Warmth(lambda: [self.stage.engine], lambda: "Europe/Berlin", self.stage.clock, self.world)

    def world(self) -> datetime:
        return datetime.fromtimestamp(self._ahead + self.stage.clock.monotonic(), BERLIN)

    def steps(self, delta: timedelta) -> None:
        self._ahead += delta.total_seconds()

    async def until(self, local: str) -> None:
        """Time passes, from timer to timer."""
        end = datetime.fromisoformat(local).replace(tzinfo=BERLIN)
        clock = self.stage.clock
        while (left := end.timestamp() - self.world().timestamp()) > 1e-6:
            clock.advance(min([left, *(timer for timer in clock.pending if timer > 0)]))
            for _ in range(8):
                await asyncio.sleep(0)
        await calm()


@asynccontextmanager
async def lived(begin: str, *hours: str, **settings: float) -> AsyncIterator[Days]:
    days = Days(begin, *hours, **settings)
    async with supervised(days.stage), asyncio.TaskGroup() as group:
        keeping = group.create_task(days.warmth.run())
        await calm()
        yield days
        keeping.cancel()


async def test_it_is_ready_when_its_hours_begin_and_idles_when_they_end() -> None:
    """Over the night in which the clocks go back in Berlin, 2026-10-25."""
    async with lived("2026-10-24 07:00", "daily 08:00-12:00") as days:
        await days.until("2026-10-24 07:59")
        assert days.stage.phase is ASLEEP
        for day in ("2026-10-24", "2026-10-25"):
            await days.until(f"{day} 08:00")
            assert days.stage.phase is READY
            await days.until(f"{day} 12:14:59")
            assert days.stage.phase is READY, "the idle time begins when the hours end"
            await days.until(f"{day} 12:15:01")
            assert days.stage.phase is ASLEEP
        assert (days.stage.runtime.starts, days.stage.runtime.stops) == (2, 2)


async def test_it_is_woken_once_ahead_of_its_hours_however_short_its_idle_time_is() -> None:
    """Ninety seconds ahead, as long as nothing is known; and it is ready at once."""
    async with lived("2026-11-24 07:58", "daily 08:00-12:00", idle_after=5, start_timeout=180) as days:
        for local in ("07:58:31", "07:59:06", "07:59:59", "08:00", "11:59"):
            await days.until(f"2026-11-24 {local}")
            assert days.stage.phase is READY
        assert days.stage.runtime.starts == 1


async def test_a_request_out_of_hours_wakes_it_as_ever_and_the_hours_do_not_end_an_idle_time() -> None:
    async with lived("2026-11-23 05:00", "daily 08:00-12:00") as days:
        await days.stage.is_ready()
        await days.until("2026-11-23 05:15:01")
        assert days.stage.phase is ASLEEP
        await days.until("2026-11-23 07:50")
        await days.stage.is_ready()
        await days.until("2026-11-23 11:59")
        assert (days.stage.phase, days.stage.runtime.starts) == (READY, 2)


async def test_an_operators_sleep_counts_until_the_next_of_its_hours_begin() -> None:
    async with lived("2026-11-23 09:00", "daily 08:00-12:00") as days:
        await days.until("2026-11-23 09:00:05")
        assert days.stage.phase is READY
        days.stage.engine.tell(SleepAsked())
        await days.until("2026-11-24 07:58")
        assert days.stage.phase is ASLEEP
        await days.until("2026-11-24 08:00")
        assert days.stage.phase is READY


async def test_a_crash_in_its_hours_is_made_good() -> None:
    async with lived("2026-11-23 09:00", "daily 08:00-12:00") as days:
        for number in range(5):
            await days.until(f"2026-11-23 09:{10 * number + 5:02}")
            days.stage.runtime.crash(137)
            await calm()
        await days.until("2026-11-23 10:00")
        assert days.stage.phase is READY


async def test_one_that_cannot_be_started_is_tried_again_until_its_hours_end() -> None:
    """With rests that grow: not a start each second."""
    async with lived("2026-11-23 07:00", "daily 08:00-09:00") as days:
        days.stage.probe.answering.clear()
        await days.until("2026-11-23 09:00:30")
        assert 20 <= days.stage.runtime.starts <= 65
        await days.until("2026-11-23 10:00")
        assert days.stage.phase in (ASLEEP, FAILED)
        starts = days.stage.runtime.starts
        await days.until("2026-11-23 12:00")
        assert days.stage.runtime.starts == starts


async def test_a_clock_that_is_set_moves_the_hours_and_no_idle_time() -> None:
    async with lived("2026-11-23 03:00", "daily 08:00-12:00") as days:
        await days.stage.is_ready()
        days.steps(timedelta(hours=12))
        await days.until("2026-11-23 15:14:58")
        assert days.stage.phase is READY
        await days.until("2026-11-23 15:15:01")
        assert days.stage.phase is ASLEEP
        days.steps(timedelta(hours=-5))
        await days.until(f"2026-11-23 10:15:{int(LOOK_SECONDS) + 2}")
        assert days.stage.phase is READY
        assert days.stage.engine.warm
        days.stage.engine.tell(WarmthChanged(warm=False))
