"""Turns where requests take longer than others wait: who is refused, and comes again, gets room in the end."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import QueueTimeout
from gateway.lifecycle.phases import ASLEEP, QUEUED, READY
from gateway.supervision.admission import Lease
from gateway.supervision.steward import COMES_AGAIN_SECONDS
from tests.unit.supervision.household import TURN, Household, housed
from tests.unit.supervision.stage import Visitor, calm

pytestmark = pytest.mark.anyio

MAX_WAIT = 600.0


async def refused(house: Household, group: asyncio.TaskGroup, name: str) -> None:
    """A request waits there until its time is over."""
    visitor = Visitor(house[name], group)
    await house.passes(MAX_WAIT)
    assert isinstance(await visitor.decided(), QueueTimeout)
    await calm()


async def test_who_comes_again_finds_that_nobody_was_let_in_meanwhile() -> None:
    async with housed(a=3, b=3) as house, asyncio.TaskGroup() as group:
        served = Visitor(house["a"], group)
        await served.decided()
        await refused(house, group, "b")
        late = Visitor(house["a"], group)
        await house.passes(COMES_AGAIN_SECONDS - 1)
        assert late.lease is None
        again = Visitor(house["b"], group)
        await calm()
        await served.leaves()
        assert isinstance(await again.decided(), Lease)
        await again.leaves()
        await house.passes(TURN + 1)
        await late.decided()
        await late.leaves()


async def test_who_does_not_come_again_keeps_others_for_a_minute_and_no_longer() -> None:
    async with housed(a=3, b=3) as house, asyncio.TaskGroup() as group:
        served = Visitor(house["a"], group)
        await served.decided()
        await refused(house, group, "b")
        late = Visitor(house["a"], group)
        await house.passes(COMES_AGAIN_SECONDS)
        assert isinstance(await late.decided(), Lease)
        await late.leaves()
        await served.leaves()
        assert (house["a"].runtime.stops, house["b"].runtime.starts) == (0, 0)


async def test_who_has_waited_for_a_moment_is_waited_for_no_longer() -> None:
    async with housed(a=3, b=3) as house, asyncio.TaskGroup() as group:
        served = Visitor(house["a"], group)
        await served.decided()
        await house.passes(TURN)
        b = Visitor(house["b"], group)
        await house.passes(2)
        b.task.cancel()
        late = Visitor(house["a"], group)
        await house.passes(3)
        assert isinstance(await late.decided(), Lease)
        await late.leaves()
        await served.leaves()


async def test_room_that_is_free_meanwhile_is_kept_for_it_and_nobody_is_started_for_nobody() -> None:
    async with housed(a=3, b=3) as house, asyncio.TaskGroup() as group:
        served = Visitor(house["a"], group)
        await served.decided()
        await refused(house, group, "b")
        await served.leaves()
        late = Visitor(house["a"], group)
        await house.passes(COMES_AGAIN_SECONDS - 1)
        assert house.phases == {"a": QUEUED, "b": ASLEEP}
        await house.passes(2)
        assert isinstance(await late.decided(), Lease)
        await late.leaves()
        assert house.phases == {"a": READY, "b": ASLEEP}
        assert house["b"].runtime.starts == 0


async def test_a_place_is_lost_when_it_was_kept_for_long_enough() -> None:
    async with housed(a=3, b=3, c=3) as house, asyncio.TaskGroup() as group:
        served = Visitor(house["a"], group)
        await served.decided()
        await refused(house, group, "b")
        await house.passes(COMES_AGAIN_SECONDS)
        c = Visitor(house["c"], group)
        await calm()
        b = Visitor(house["b"], group)
        await served.leaves()
        await c.decided()
        assert house.phases["b"] is QUEUED
        await c.leaves()
        await house.passes(TURN + 1)
        await b.decided()
        await b.leaves()


async def test_long_requests_without_end_starve_nobody() -> None:
    """Six clients with requests of a quarter of an hour each; others' wait is over after ten minutes."""
    async with housed(a=3, b=3) as house, asyncio.TaskGroup() as group:
        jobs: list[Visitor | None] = [None] * 6
        ends = [900.0 + 150 * number for number in range(6)]
        b, refusals = None, 0
        for now in range(0, 2 * 3600, 10):
            for number, job in enumerate(jobs):
                if job is None and now < ends[number]:
                    jobs[number] = Visitor(house["a"], group)
                elif job is not None and now >= ends[number] and (job.lease or job.error):
                    job.may_leave()
                    jobs[number], ends[number] = None, now + 910.0
            if b is None and now > 1000:
                b = Visitor(house["b"], group)
            elif b is not None and b.error:
                b, refusals = None, refusals + 1
            await house.passes(10)
            if b is not None and b.lease:
                break
        assert (refusals, house["b"].runtime.starts) == (1, 1)
        for job in (b, *jobs):
            if job is not None:
                job.task.cancel()
