"""Engines that are removed while their runtime does not answer: they may run, or may still begin to."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import RuntimeTrouble
from gateway.lifecycle.events import WakeAsked
from gateway.lifecycle.phases import FAILED
from gateway.supervision.performer import LOOK_PAUSE
from tests.unit.supervision.stage import calm, staged, until
from tests.unit.supervision.town_hall import TownHall, contained, town

pytestmark = pytest.mark.anyio


async def time_passes(hall: TownHall, seconds: float) -> None:
    for _ in range(round(seconds * 2)):
        hall.clock.advance(0.5)
        await calm()


async def test_it_is_put_to_sleep_when_the_runtime_answers_again_though_its_stop_had_failed() -> None:
    async with town(a=contained("a", start_timeout=5)) as hall:
        (engine,), (runtime,) = hall.fleet.all, hall.runtimes
        runtime.available = False
        engine.tell(WakeAsked())
        await time_passes(hall, 5)
        assert engine.phase is FAILED
        hall.fleet.apply({})
        await time_passes(hall, 3 * LOOK_PAUSE)
        assert hall.fleet.leaving == [engine]
        runtime.start_by_hand()  # the start that nobody seemed to hear of
        runtime.available = True
        await time_passes(hall, 2 * LOOK_PAUSE)
        assert (hall.running, hall.fleet.leaving) == ([], [])


async def test_so_is_one_that_nobody_has_seen_yet() -> None:
    async with town() as hall:
        hall.fleet.apply({"a": contained("a")})
        (runtime,) = hall.runtimes
        runtime.start_by_hand()
        runtime.available = False
        await calm()
        hall.fleet.apply({})
        await time_passes(hall, 3 * LOOK_PAUSE)
        assert (hall.running, len(hall.fleet.leaving)) == (["a"], 1)
        runtime.available = True
        await time_passes(hall, 2 * LOOK_PAUSE)
        assert (hall.running, hall.fleet.leaving) == ([], [])


async def test_it_is_asked_for_with_pauses() -> None:
    async with town() as hall:
        hall.fleet.apply({"a": contained("a")})
        (runtime,) = hall.runtimes
        runtime.available = False
        await calm()
        hall.fleet.apply({})
        await calm()
        runtime.calls.clear()
        await time_passes(hall, 3 * LOOK_PAUSE)
        assert runtime.calls == ["inspect"] * 3


async def test_one_that_was_seen_asleep_is_gone_at_once() -> None:
    async with town(a=contained("a")) as hall:
        await calm()
        hall.runtimes[0].available = False
        hall.fleet.apply({})
        await until(lambda: not hall.fleet.leaving)


async def test_a_wake_that_nobody_waits_for_is_taken_back() -> None:
    """It is not started for it when the runtime answers again."""
    async with town(a=contained("a", start_timeout=5)) as hall:
        (engine,), (runtime,) = hall.fleet.all, hall.runtimes
        runtime.available = False
        engine.tell(WakeAsked(politely=True))
        await time_passes(hall, 5)
        hall.fleet.apply({})
        await time_passes(hall, 10)
        runtime.available = True
        await time_passes(hall, 2 * LOOK_PAUSE)
        assert (runtime.starts, hall.fleet.leaving) == (0, [])


async def test_who_comes_in_again_meanwhile_is_served() -> None:
    async with town(a=contained("a")) as hall, asyncio.TaskGroup() as group:
        (engine,), (runtime,) = hall.fleet.all, hall.runtimes
        async with engine.admitted():
            runtime.available = False
            runtime.hint()
            await calm()
            hall.fleet.apply({})
        admitted = asyncio.Event()

        async def comes() -> None:
            async with engine.admitted():
                admitted.set()

        group.create_task(comes())
        await time_passes(hall, 1)
        assert admitted.is_set()
        runtime.available = True
        await time_passes(hall, 2 * LOOK_PAUSE)
        assert (hall.running, hall.fleet.leaving) == ([], [])


async def test_a_gateway_that_ends_does_not_wait_for_it() -> None:
    async with town() as hall:
        hall.fleet.apply({"a": contained("a")})
        hall.runtimes[0].start_by_hand()
        hall.runtimes[0].available = False
        await calm()
        hall.fleet.apply({})
        await calm()
        await hall.fleet.put_to_sleep(within=5)
        assert len(hall.fleet.leaving) == 1
    assert hall.runtimes[0].calls[-1] == "aclose"


@pytest.mark.parametrize("error", [RuntimeTrouble("is odd"), OSError("surprise")])
async def test_a_runtime_that_answers_but_cannot_tell_is_not_asked_for_ever(error: Exception) -> None:
    async with staged() as stage:
        stage.runtime.breaks["inspect"] = [error] * 100
        stage.runtime.hint()
        await calm()
        await stage.engine.wind_up()
