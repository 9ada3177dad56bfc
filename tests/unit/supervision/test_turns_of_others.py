"""Turns of engines that others start, that are kept warm, or whose budget changes."""

from __future__ import annotations

import asyncio

import pytest

from gateway.config.schema import Budget
from gateway.lifecycle.events import SleepAsked, WakeAsked, WarmthChanged
from gateway.lifecycle.phases import ASLEEP, QUEUED, READY
from gateway.supervision.steward import LOOK_SECONDS
from tests.unit.supervision.household import TURN, Household, housed
from tests.unit.supervision.stage import Visitor, calm

pytestmark = pytest.mark.anyio


# what others do, and restarts


async def test_engines_found_running_count_and_make_room_for_who_asks() -> None:
    async with housed(running=("a", "b"), a=3, b=3, c=1) as house, asyncio.TaskGroup() as group:
        assert house.phases == {"a": READY, "b": READY, "c": ASLEEP}
        await house.passes(2 * TURN)
        assert house.phases == {"a": READY, "b": READY, "c": ASLEEP}, "nobody has to leave for nobody"
        visitor = Visitor(house["c"], group)
        await visitor.decided()
        assert sorted(phase.value for phase in house.phases.values()) == ["asleep", "ready", "ready"]
        await visitor.leaves()


async def test_after_a_restart_nobody_is_started_before_it_is_known_what_runs() -> None:
    """A request may come before the first look at the engine that runs."""
    house = Household(a=3, b=3)
    house["a"].runtime.start_by_hand()
    look = house["a"].runtime.hold("inspect")
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(stage.engine.run()) for stage in house.stages.values()]
        visitor = Visitor(house["b"], group)
        await house.passes(5)
        assert house.phases["b"] is QUEUED
        look.set()
        await house.passes(5)
        assert house.phases == {"a": READY, "b": QUEUED}
        await house.passes(TURN)
        await visitor.decided()
        await visitor.leaves()
        for task in tasks:
            task.cancel()


async def test_an_engine_that_cannot_be_looked_at_keeps_the_others_waiting_no_longer_than_the_look() -> None:
    async with housed(a=3, b=3) as house, asyncio.TaskGroup() as group:
        house["a"].runtime.available = False
        visitor = Visitor(house["b"], group)
        await visitor.decided()
        await visitor.leaves()


async def test_one_that_is_started_by_hand_while_it_waits_is_adopted_and_waits_no_longer() -> None:
    async with housed(a=3, b=3) as house, asyncio.TaskGroup() as group:
        await house["a"].is_ready()
        visitor = Visitor(house["b"], group)
        await calm()
        house.overdrawn = True
        house["b"].runtime.start_by_hand()
        await visitor.decided()
        assert house.phases == {"a": READY, "b": READY}
        await house.passes(2 * TURN)
        assert house["a"].runtime.stops == 0
        await visitor.leaves()


# polite ones


async def test_an_engine_kept_warm_takes_room_that_is_free_and_nobody_elses() -> None:
    async with housed(a=3, b=3, c=1) as house:
        await house["a"].is_ready()
        for name in ("b", "c"):
            house[name].engine.tell(WarmthChanged(warm=True))
        await house.passes(3 * TURN)
        assert house.phases == {"a": READY, "b": QUEUED, "c": READY}
        house["a"].engine.tell(SleepAsked())
        await calm()
        assert house.phases == {"a": ASLEEP, "b": READY, "c": READY}


async def test_a_warm_engine_makes_room_last_and_comes_back_when_there_is_some() -> None:
    async with housed(warm=2, idle=2, c=2) as house, asyncio.TaskGroup() as group:
        house["warm"].engine.tell(WarmthChanged(warm=True))
        await calm()
        await house.passes(1)
        await house["idle"].is_ready()
        await house.passes(TURN)
        one = Visitor(house["c"], group)
        await one.decided()
        assert house.phases == {"warm": READY, "idle": ASLEEP, "c": READY}
        two = Visitor(house["idle"], group)
        await two.decided()
        assert house.phases == {"warm": QUEUED, "idle": READY, "c": READY}
        await one.leaves()
        house["c"].engine.tell(SleepAsked())
        await calm()
        assert house.phases["warm"] is READY
        await two.leaves()


async def test_a_polite_ask_becomes_urgent_when_a_request_comes() -> None:
    async with housed(a=3, b=3) as house, asyncio.TaskGroup() as group:
        await house["a"].is_ready()
        house["b"].engine.tell(WakeAsked(politely=True))
        await house.passes(TURN + 1)
        assert house.phases["b"] is QUEUED
        visitor = Visitor(house["b"], group)
        await visitor.decided()
        assert house.phases == {"a": ASLEEP, "b": READY}
        await visitor.leaves()


# reload


async def test_a_larger_budget_lets_in_who_waits() -> None:
    async with housed(a=3, b=3) as house, asyncio.TaskGroup() as group:
        served = Visitor(house["a"], group)
        await served.decided()
        b = Visitor(house["b"], group)
        await calm()
        house.memory = 6
        house.steward.configure(Budget(memory=6, turn=TURN))
        await b.decided()
        for visitor in (served, b):
            await visitor.leaves()


async def test_without_a_budget_nobody_waits() -> None:
    async with housed(a=3, b=3) as house, asyncio.TaskGroup() as group:
        await house["a"].is_ready()
        b = Visitor(house["b"], group)
        await calm()
        house.memory = 100
        house.steward.configure(None)
        await b.decided()
        await b.leaves()


async def test_an_engine_that_is_supervised_no_longer_takes_no_room() -> None:
    async with housed(a=3, b=3) as house, asyncio.TaskGroup() as group:
        served = Visitor(house["a"], group)
        await served.decided()
        b = Visitor(house["b"], group)
        await calm()
        house.overdrawn = True
        del house.stages["a"]
        await house.passes(LOOK_SECONDS)
        await b.decided()
        for visitor in (served, b):
            await visitor.leaves()
