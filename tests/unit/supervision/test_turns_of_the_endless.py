"""Turns where a lease does not end: it starves neither its own engine nor, once it has ended, another one."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.announcements import Evicted
from gateway.errors import QueueTimeout
from gateway.lifecycle.phases import ASLEEP, READY
from gateway.supervision.admission import Lease, Visit
from gateway.supervision.steward import SHUT_FOR
from tests.unit.supervision.household import TURN, Household, housed
from tests.unit.supervision.stage import Visitor, calm

pytestmark = pytest.mark.anyio

MAX_WAIT = 600.0
SHUT = SHUT_FOR * MAX_WAIT
PATIENT: dict[str, Any] = {"needs": {"memory": 3}, "queue": {"max_wait": 7200}}


async def after(house: Household, seconds: float) -> None:
    over = asyncio.Event()
    house.clock.call_later(seconds, over.set)
    await over.wait()


async def is_open(house: Household, group: asyncio.TaskGroup, name: str) -> bool:
    visitor = Visitor(house[name], group)
    await calm()
    visitor.task.cancel()
    return visitor.lease is not None


async def shut_in_vain(house: Household, group: asyncio.TaskGroup) -> Visitor:
    """Somebody wants `b`, who is returned, and somebody `a`, who leaves when it is open again."""
    other = Visitor(house["b"], group)
    await house.passes(TURN + 1)
    late = Visitor(house["a"], group)
    await house.passes(SHUT + 1)
    assert isinstance(late.lease, Lease)
    await late.leaves()
    return other


async def test_one_endless_lease_shuts_its_engine_once_and_nobody_there_is_refused_for_it() -> None:
    async with housed(a=3, b=3) as house, asyncio.TaskGroup() as group:
        endless = Visitor(house["a"], group)
        await endless.decided()
        for number in range(6):
            other, late = Visitor(house["b"], group), Visitor(house["a"], group)
            await house.passes(SHUT + 2 if number == 1 else 1)
            assert isinstance(late.lease, Lease), f"round {number}"
            await late.leaves()
            await house.passes(MAX_WAIT)
            assert isinstance(other.error, QueueTimeout)
            assert house.phases == {"a": READY, "b": ASLEEP}
        other = Visitor(house["b"], group)
        await calm()
        await endless.leaves()
        await house.passes(1)
        assert isinstance(other.lease, Lease)
        await other.leaves()


async def test_who_comes_while_it_is_shut_is_let_in_before_his_time_is_over() -> None:
    async with housed(a=3, b=PATIENT) as house, asyncio.TaskGroup() as group:
        endless = Visitor(house["a"], group)
        await endless.decided()
        other = Visitor(house["b"], group)
        await house.passes(TURN + 100)
        late = Visitor(house["a"], group)
        await house.passes(SHUT - 2)
        assert late.lease is None
        await house.passes(3)
        assert isinstance(await late.decided(), Lease)
        for visitor in (endless, late, other):
            visitor.task.cancel()


async def test_where_nobody_comes_it_stays_shut_for_as_long_as_it_takes() -> None:
    async with housed(a=3, b=PATIENT) as house, asyncio.TaskGroup() as group:
        served = Visitor(house["a"], group)
        await served.decided()
        other = Visitor(house["b"], group)
        await house.passes(2 * MAX_WAIT)
        assert not await is_open(house, group, "a")
        await served.leaves()
        assert isinstance(await other.decided(), Lease)
        await other.leaves()


async def test_when_the_endless_lease_has_ended_it_is_shut_again_and_makes_room() -> None:
    async with housed(a=3, b=PATIENT) as house, asyncio.TaskGroup() as group:
        endless = Visitor(house["a"], group)
        await endless.decided()
        other = await shut_in_vain(house, group)
        after = Visitor(house["a"], group)
        await after.decided()
        await endless.leaves()
        await house.passes(2)
        assert not await is_open(house, group, "a")
        await after.leaves()
        assert isinstance(await other.decided(), Lease)
        assert house.phases["a"] is ASLEEP
        await other.leaves()


async def test_as_long_as_it_empties_it_stays_shut() -> None:
    """Five requests that end one after the other, each well after the last."""
    async with housed(a=3, b=PATIENT) as house, asyncio.TaskGroup() as group:
        served = [Visitor(house["a"], group) for _ in range(5)]
        await calm()
        other = Visitor(house["b"], group)
        await house.passes(TURN)
        for visitor in served:
            late = Visitor(house["a"], group)
            await house.passes(SHUT - 10)
            assert late.lease is None
            late.task.cancel()
            await visitor.leaves()
        assert isinstance(await other.decided(), Lease)
        await other.leaves()


async def asks_without_end(house: Household, name: str, lengths: Iterator[float]) -> None:
    """One request after the other, with a short pause; at once again if it is refused."""
    for seconds in lengths:
        with contextlib.suppress(QueueTimeout):
            async with house[name].engine.admitted() as lease:
                await after(house, seconds)
                assert not lease.revoked
            await after(house, 5)


async def gets_its_turn(house: Household, name: str) -> bool:
    """Whether it is started within half a day."""
    for _ in range(12 * 60):
        await house.passes(60)
        if house[name].runtime.starts:
            return True
    return False


async def test_two_who_take_turns_with_long_requests_starve_nobody() -> None:
    """A quarter of an hour each, one always in the middle of the other: each closure in a row lasts twice as long."""
    async with housed(a=3, b=3) as house, asyncio.TaskGroup() as group:
        clients = [group.create_task(asks_without_end(house, "a", itertools.repeat(900.0)))]
        await house.passes(1)
        clients.append(group.create_task(asks_without_end(house, "b", itertools.repeat(1.0))))
        await house.passes(TURN + 10)
        clients.append(group.create_task(asks_without_end(house, "a", itertools.repeat(900.0))))
        assert await gets_its_turn(house, "b")
        for client in clients:
            client.cancel()


@pytest.mark.parametrize("seed", range(3))
async def test_requests_of_any_length_starve_nobody_as_long_as_they_end(seed: int) -> None:
    chance = random.Random(seed)
    async with housed(a=3, b=3) as house, asyncio.TaskGroup() as group:
        clients = []
        for longest in (10.0, 600.0, 1200.0, 2400.0):
            lengths = iter([chance.uniform(0, longest) for _ in range(10_000)])
            clients.append(group.create_task(asks_without_end(house, "a", lengths)))
        await house.passes(1)
        clients.append(group.create_task(asks_without_end(house, "b", itertools.repeat(1.0))))
        assert await gets_its_turn(house, "b")
        for client in clients:
            client.cancel()


async def test_of_two_busy_engines_the_one_that_can_leave_is_asked_in_the_end() -> None:
    async with housed(a=2, b=2, c={**PATIENT, "needs": {"memory": 2}}) as house, asyncio.TaskGroup() as group:
        endless = Visitor(house["a"], group)
        await endless.decided()
        await house.passes(1)
        finite = Visitor(house["b"], group)
        await finite.decided()
        other = Visitor(house["c"], group)
        await house.passes(TURN + 1)
        assert await is_open(house, group, "b"), "the other has been ready longer"
        late = Visitor(house["a"], group)
        await house.passes(SHUT + 2)
        assert isinstance(late.lease, Lease)
        assert not await is_open(house, group, "b")
        await finite.leaves()
        assert isinstance(await other.decided(), Lease)
        for visitor in (endless, late, other):
            await visitor.leaves()
    assert house.evicted == [Evicted("a", "c"), Evicted("b", "c")]


async def test_a_quiet_request_that_does_not_end_shuts_nobody_out_either() -> None:
    async with housed(a=3, b=PATIENT) as house, asyncio.TaskGroup() as group:
        await house["a"].is_ready()
        quiet = Visitor(house["a"], group, Visit(quiet=True))
        await quiet.decided()
        other = await shut_in_vain(house, group)
        assert await is_open(house, group, "a")
        await quiet.leaves()
        await house.passes(1)
        assert isinstance(await other.decided(), Lease)
        await other.leaves()


async def test_it_is_told_once_that_it_makes_room() -> None:
    with capture_logs() as lines:
        async with housed(a=3, b=PATIENT) as house, asyncio.TaskGroup() as group:
            endless = Visitor(house["a"], group)
            await endless.decided()
            other = await shut_in_vain(house, group)
            await house.passes(300)
            await endless.leaves()
            await house.passes(1)
            await other.decided()
            await other.leaves()
    assert [line["event"] for line in lines].count("engine.makes_room") == 1
    assert len(house.evicted) == 1
