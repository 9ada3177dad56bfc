"""Engines that do not fit together, with real supervisors: they take turns, and nobody is cut off or forgotten."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.announcements import Evicted
from gateway.errors import EngineStartFailed, StartRefused
from gateway.lifecycle.events import Event, RoomGranted, SleepAsked, WakeAsked
from gateway.lifecycle.phases import ASLEEP, FAILED, QUEUED, READY, WAKING
from gateway.supervision.steward import COMES_AGAIN_SECONDS, LOOK_SECONDS
from tests.unit.supervision.household import TURN, Household, housed
from tests.unit.supervision.stage import Visitor, calm

pytestmark = pytest.mark.anyio


async def test_an_idle_engine_makes_room_when_its_turn_is_over() -> None:
    async with housed(a=3, b=3) as house, asyncio.TaskGroup() as group:
        await house["a"].is_ready()
        visitor = Visitor(house["b"], group)
        await house.passes(TURN - 1)
        assert house.phases == {"a": READY, "b": QUEUED}
        await house.passes(2)
        assert house.phases == {"a": ASLEEP, "b": READY}
        await visitor.leaves()
    assert house.evicted == [Evicted("a", "b")]


async def test_room_is_given_only_when_the_stop_is_done() -> None:
    async with housed(a=3, b=3) as house, asyncio.TaskGroup() as group:
        await house["a"].is_ready()
        house["a"].runtime.stop_gate.clear()
        visitor = Visitor(house["b"], group)
        await house.passes(TURN + 30)
        assert house.phases["b"] is QUEUED
        house["a"].runtime.stop_gate.set()
        await visitor.decided()
        await visitor.leaves()


async def test_a_busy_engine_serves_to_the_end_and_its_queue_is_served_later() -> None:
    async with housed(a=3, b=3) as house, asyncio.TaskGroup() as group:
        served = Visitor(house["a"], group)
        await served.decided()
        b = Visitor(house["b"], group)
        await house.passes(TURN + 60)
        assert house.phases == {"a": READY, "b": QUEUED}
        late = Visitor(house["a"], group)
        await calm()
        assert late.lease is None, "it makes room, and lets nobody in any more"
        assert served.lease is not None
        assert not served.lease.revoked
        await served.leaves()
        await b.decided()
        assert house.phases == {"a": QUEUED, "b": READY}
        await b.leaves()
        await house.passes(TURN + 1)
        await late.decided()
        assert house.phases == {"a": READY, "b": ASLEEP}
        await late.leaves()


async def test_one_who_gives_up_waiting_calls_the_eviction_off() -> None:
    async with housed(a=3, b=3) as house, asyncio.TaskGroup() as group:
        served = Visitor(house["a"], group)
        await served.decided()
        b = Visitor(house["b"], group)
        await house.passes(TURN + 1)
        late = Visitor(house["a"], group)
        await calm()
        assert late.lease is None
        b.task.cancel()
        await house.passes(COMES_AGAIN_SECONDS)
        await late.decided()
        assert house.phases == {"a": READY, "b": ASLEEP}
        await served.leaves()
        await late.leaves()
        await house.passes(5)
        assert (house["a"].runtime.stops, house["b"].runtime.starts) == (0, 0)


async def test_of_two_idle_engines_the_one_used_least_recently_makes_room() -> None:
    async with housed(a=2, b=2, c=2) as house, asyncio.TaskGroup() as group:
        await house["a"].is_ready()
        await house["b"].is_ready()
        await house.passes(TURN)
        await house["a"].is_ready()
        visitor = Visitor(house["c"], group)
        await visitor.decided()
        assert house.phases == {"a": READY, "b": ASLEEP, "c": READY}
        await visitor.leaves()


async def test_what_fits_beside_is_not_held_up_by_who_waits_for_a_busy_one() -> None:
    async with housed(a=3, b=3, c=1) as house, asyncio.TaskGroup() as group:
        served = Visitor(house["a"], group)
        await served.decided()
        b = Visitor(house["b"], group)
        await house.passes(TURN + 1)
        c = Visitor(house["c"], group)
        await c.decided()
        assert house.phases == {"a": READY, "b": QUEUED, "c": READY}
        await served.leaves()
        await b.decided()
        assert house.phases["c"] is READY
        for visitor in (b, c):
            await visitor.leaves()


async def test_min_awake_makes_a_turn_longer() -> None:
    async with housed(a={"needs": {"memory": 3}, "min_awake": 90}, b=3) as house, asyncio.TaskGroup() as group:
        await house["a"].is_ready()
        visitor = Visitor(house["b"], group)
        await house.passes(88)
        assert house.phases["a"] is READY
        await house.passes(3)
        await visitor.decided()
        await visitor.leaves()


async def test_who_needs_nothing_is_no_matter_of_the_budget() -> None:
    async with housed(a=4, free={}) as house, asyncio.TaskGroup() as group:
        served = Visitor(house["a"], group)
        await served.decided()
        visitor = Visitor(house["free"], group)
        await visitor.decided()
        for one in (served, visitor):
            await one.leaves()


# what goes wrong


async def test_a_start_that_fails_gives_its_room_back() -> None:
    async with housed(a=3, b=3) as house, asyncio.TaskGroup() as group:
        house["a"].runtime.fail_next_start(StartRefused("has no disk space left"))
        a, b = Visitor(house["a"], group), Visitor(house["b"], group)
        assert isinstance(await a.decided(), EngineStartFailed)
        await b.decided()
        assert house.phases == {"a": FAILED, "b": READY}
        await b.leaves()


async def test_the_remains_of_a_failed_start_are_cleared_away_before_the_room_is_given_on() -> None:
    async with housed(a=3, b=3) as house, asyncio.TaskGroup() as group:
        house["a"].probe.answering.clear()
        house["a"].runtime.stop_gate.clear()
        a, b = Visitor(house["a"], group), Visitor(house["b"], group)
        await house.passes(70)
        await a.decided()
        assert house.phases == {"a": FAILED, "b": QUEUED}
        house["a"].runtime.stop_gate.set()
        await b.decided()
        await b.leaves()


async def test_an_engine_that_crashes_leaves_its_room_to_who_waits() -> None:
    async with housed(a=3, b=3) as house, asyncio.TaskGroup() as group:
        served = Visitor(house["a"], group)
        await served.decided()
        b = Visitor(house["b"], group)
        await calm()
        house["a"].runtime.crash(137)
        await b.decided()
        assert house.phases == {"a": ASLEEP, "b": READY}
        for visitor in (served, b):
            await visitor.leaves()


async def test_one_that_loses_contact_again_and_again_has_no_new_turn_each_time() -> None:
    async with housed(a=3, b=3) as house, asyncio.TaskGroup() as group:
        await house["a"].is_ready()
        visitor = Visitor(house["b"], group)
        for _ in range(int(TURN) + 2):
            await house.passes(1)
            if house.phases["a"] is READY:
                async with house["a"].engine.admitted() as lease:
                    lease.lost_contact()
                await calm()
        await visitor.decided()
        await visitor.leaves()


async def test_a_queued_engine_that_is_put_to_sleep_asks_for_nothing_any_more() -> None:
    async with housed(a=3, b=3) as house:
        await house["a"].is_ready()
        house["b"].engine.tell(WakeAsked())
        await calm()
        assert house.phases["b"] is QUEUED
        house["b"].engine.tell(SleepAsked())
        await house.passes(TURN + 5)
        assert house.phases == {"a": READY, "b": ASLEEP}


async def test_a_mistake_with_one_engine_keeps_no_other_from_its_room(monkeypatch: pytest.MonkeyPatch) -> None:
    async with housed(a=1, b=1) as house, asyncio.TaskGroup() as group:
        tell = house["a"].engine.tell

        def broken(event: Event) -> None:
            if isinstance(event, RoomGranted):
                raise TypeError("a mistake of ours")
            tell(event)

        monkeypatch.setattr(house["a"].engine, "tell", broken)
        waits = Visitor(house["a"], group)
        with capture_logs() as logs:
            served = Visitor(house["b"], group)
            await served.decided()
        assert {line["event"] for line in logs if line["log_level"] == "error"} == {"gateway.budget_broke"}
        monkeypatch.undo()
        await served.leaves()
        waits.task.cancel()


# under load


@pytest.mark.parametrize("seed", range(6))
async def test_under_mixed_load_nobody_starves_and_nobody_thrashes(seed: int) -> None:
    """Two or three engines that do not fit; answers of up to 20 s, and gaps around the length of a turn."""
    chance = random.Random(seed)
    engines: dict[str, Any] = {"a": 3, "b": 3} if seed % 2 else {"a": 2, "b": 3, "c": 4}
    async with housed(**engines) as house, asyncio.TaskGroup() as group:
        waited: list[float] = []

        async def customer(name: str) -> None:
            for _ in range(12):
                asked = house.clock.monotonic()
                async with house[name].engine.admitted() as lease:
                    waited.append(house.clock.monotonic() - asked)
                    await after(house, chance.uniform(0, 20))
                    assert not lease.revoked
                    assert house[name].runtime.running
                await after(house, chance.choice([0, 1, 5, TURN]))

        customers = [group.create_task(customer(name)) for name in engines for _ in range(2)]
        begun = house.clock.monotonic()
        while not all(task.done() for task in customers):
            await house.passes(1)
            assert house.clock.monotonic() - begun < 12 * 2 * len(engines) * (TURN + 20), "somebody starves"
        took = house.clock.monotonic() - begun
    assert max(waited) <= len(engines) * (TURN + 25)
    starts = sum(stage.runtime.starts for stage in house.stages.values())
    assert starts <= len(engines) * (took / TURN + 2)


async def after(house: Household, seconds: float) -> None:
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    house.clock.call_later(seconds, lambda: over.set_result(None))
    await over


async def test_nobody_waits_and_nothing_is_looked_at() -> None:
    """No timer runs where nobody asks."""
    async with housed(a={"needs": {"memory": 3}, "idle_after": "never"}, b=3) as house:
        await house["a"].is_ready()
        await house.passes(1)
        assert min(house.clock.pending) > LOOK_SECONDS
        assert house.phases == {"a": READY, "b": ASLEEP}


def test_what_is_shown_of_it_fits_in_a_line() -> None:
    house = Household(a=3, b=3)
    assert repr(house.steward) == "<Steward of {'memory': 4} asking=[]>"
    assert house["a"].phase is not WAKING
