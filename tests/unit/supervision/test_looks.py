"""When the runtime is looked at, and what a look is worth that an order has overtaken."""

from __future__ import annotations

import asyncio

import pytest

from gateway.lifecycle.events import SleepAsked, WakeAsked
from gateway.lifecycle.phases import ASLEEP, READY, WAKING
from gateway.runtimes.base import Address
from gateway.supervision.admission import Lease
from tests.unit.supervision.stage import Visitor, calm, staged, until

pytestmark = pytest.mark.anyio


async def test_a_runtime_that_tells_of_nothing_is_enough_for_a_whole_life() -> None:
    async with staged() as stage:
        stage.runtime.is_silent()
        await stage.is_ready()
        stage.clock.advance(900)
        await stage.reaches(ASLEEP)
        assert (stage.runtime.starts, stage.runtime.stops) == (1, 1)


async def test_the_end_of_the_last_run_is_not_taken_for_the_failure_of_the_next_start() -> None:
    """A look that began before the start saw nothing run; that is no news of an engine that has been started since."""
    async with staged() as stage:
        gate = stage.runtime.hold("inspect")
        stage.runtime.hint()
        await calm()
        stage.engine.tell(WakeAsked())
        gate.set()
        await stage.reaches(READY)
        assert stage.engine.failure is None


async def test_a_look_that_a_stop_has_overtaken_is_no_news_of_a_running_engine() -> None:
    async with staged(running=True) as stage:
        gate = stage.runtime.hold("inspect")
        stage.runtime.hint()
        await calm()
        stage.engine.tell(SleepAsked())
        gate.set()
        await stage.reaches(ASLEEP)
        await calm()
        assert (stage.phase, stage.runtime.running) == (ASLEEP, False)


async def test_a_look_that_an_order_has_overtaken_is_repeated_after_it() -> None:
    async with staged(running=True) as stage:
        gate = stage.runtime.hold("inspect")
        stage.runtime.hint()
        await calm()
        stage.runtime.is_silent()
        stage.engine.tell(SleepAsked())
        gate.set()
        await until(lambda: stage.runtime.calls[-2:] == ["stop", "inspect"])


async def test_a_look_waits_for_the_order_that_was_given_meanwhile() -> None:
    async with staged() as stage:
        stage.runtime.is_silent()
        stage.runtime.calls.clear()
        stage.engine._performer.look_again()
        stage.engine.tell(WakeAsked())
        await stage.reaches(READY)
        await calm()
        assert stage.runtime.calls == ["start", "inspect"]


async def test_any_number_of_refused_connections_cause_one_look() -> None:
    async with staged(running=True) as stage, asyncio.TaskGroup() as group:
        visitors = [Visitor(stage, group) for _ in range(100)]
        leases = [await visitor.decided() for visitor in visitors]
        looks = stage.runtime.calls.count("inspect")
        for lease in leases:
            assert isinstance(lease, Lease)
            lease.lost_contact()
        await stage.reaches(READY)
        await calm()
        assert stage.runtime.calls.count("inspect") == looks + 1
        for visitor in visitors:
            await visitor.leaves()


async def test_an_engine_that_comes_back_at_another_address_is_probed_and_found_there() -> None:
    elsewhere = Address("127.0.0.1", 9000)
    async with staged(running=True) as stage:
        stage.runtime.address = elsewhere
        stage.runtime.start_by_hand()
        await stage.reaches(WAKING)
        await stage.reaches(READY)
        async with stage.engine.admitted() as lease:
            assert lease.address == elsewhere
        assert stage.probe.asked[-1] == elsewhere
