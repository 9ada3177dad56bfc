"""Engines that crash, runtimes that do not answer, and who waits meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from gateway.errors import EngineCoolingDown, EngineStartFailed, EngineStartTimeout, RuntimeUnavailable
from gateway.lifecycle.events import SleepAsked, WakeAsked
from gateway.lifecycle.failures import TOLERATED
from gateway.lifecycle.phases import ASLEEP, FAILED, READY, WAKING
from gateway.supervision.admission import Lease, Visit
from gateway.supervision.spells import STEADY_SECONDS
from tests.unit.supervision.stage import Stage, Visitor, calm, staged, until

pytestmark = pytest.mark.anyio

AGAIN = Visit(again=True)


async def crash(stage: Stage, exit_code: int = 137) -> None:
    """It becomes ready, and ends at once."""
    stage.engine.tell(WakeAsked())
    await stage.reaches(READY)
    stage.runtime.crash(exit_code)
    await stage.reaches(ASLEEP, FAILED)


async def test_who_waits_for_an_engine_that_crashed_is_served_by_the_next_run_at_once() -> None:
    async with staged(running=True, concurrency=1) as stage, asyncio.TaskGroup() as group:
        first, second = Visitor(stage, group), Visitor(stage, group)
        await calm()
        stage.runtime.crash(137)
        await until(lambda: stage.runtime.starts == 1)
        await first.leaves()
        assert isinstance(await second.decided(), Lease)
        await second.leaves()
        assert 1.0 not in stage.clock.pending


async def test_an_engine_that_crashes_again_and_again_rests_longer_and_longer() -> None:
    async with staged() as stage:
        await crash(stage)
        assert (stage.phase, stage.engine.failures) == (ASLEEP, 1)
        rests = []
        for _ in range(4):
            await crash(stage)
            assert stage.phase is FAILED
            rests.append(stage.engine.retry_in)
        assert rests == [2, 4, 8, 16]
        assert (stage.engine.failures, stage.engine.failure) == (5, "exited with code 137")


async def test_in_the_rest_new_requests_are_refused_and_those_in_service_are_held() -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        await crash(stage)
        await crash(stage)
        held = Visitor(stage, group, AGAIN)
        with pytest.raises(EngineCoolingDown, match="exited with code 137") as refusal:
            await stage.is_ready()
        assert refusal.value.retry_after == 2
        stage.clock.advance(2)
        assert isinstance(await held.decided(), Lease)
        await held.leaves()
        assert stage.engine.failures == 0


async def test_a_supervisor_that_winds_up_serves_those_too() -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        await crash(stage)
        await crash(stage)
        held = Visitor(stage, group, AGAIN)
        await calm()
        ending = group.create_task(stage.engine.wind_up())
        await calm()
        assert (stage.phase, ending.done()) == (FAILED, False)
        stage.clock.advance(2)
        assert isinstance(await held.decided(), Lease)
        await held.leaves()
        await goes_on(stage, ending.done)
        assert not stage.runtime.running


async def test_a_steady_engine_may_crash_without_a_rest() -> None:
    async with staged() as stage:
        for _ in range(3):
            stage.engine.tell(WakeAsked())
            await stage.reaches(READY)
            stage.clock.advance(STEADY_SECONDS)
            stage.runtime.crash()
            await stage.reaches(ASLEEP)
            assert stage.engine.failures == 1


@pytest.mark.parametrize("exit_code", [0, 130, 143])
async def test_a_program_that_was_asked_to_end_has_not_crashed(exit_code: int) -> None:
    async with staged() as stage:
        for _ in range(3):
            await crash(stage, exit_code)
            assert (stage.phase, stage.engine.failures) == (ASLEEP, 0)


@pytest.mark.parametrize("exit_code", [0, 130, 143])
async def test_a_program_that_ends_well_again_and_again_rests_longer_and_longer(exit_code: int) -> None:
    async with staged() as stage:
        for _ in range(TOLERATED + 1):
            await crash(stage, exit_code)
            assert stage.phase is ASLEEP
        rests = []
        for _ in range(3):
            await crash(stage, exit_code)
            assert stage.phase is FAILED
            rests.append(stage.engine.retry_in)
        assert rests == [2, 4, 8]
        stage.clock.advance(8)
        await stage.is_ready()
        assert stage.engine.failures == 0


async def test_engines_that_failed_together_do_not_come_back_together() -> None:
    async with staged(jitter=lambda: 0.8) as stage:
        await crash(stage)
        await crash(stage)
        assert stage.engine.retry_in == pytest.approx(1.6)


async def test_waiters_hear_of_an_exit_as_fast_as_it_is_seen_and_of_its_code_and_memory() -> None:
    """No timer has to ring for it: the clock stands still."""
    async with staged() as stage, asyncio.TaskGroup() as group:
        stage.probe.answering.clear()
        visitors = [Visitor(stage, group) for _ in range(50)]
        await until(lambda: stage.probe.asking == 1)
        stage.runtime.crash(137, oom=True)
        for visitor in visitors:
            error = await visitor.decided()
            assert isinstance(error, EngineStartFailed)
            assert "exited with code 137, out of memory" in error.message
        assert stage.engine.failure == "exited with code 137, out of memory"


# A runtime that does not answer


async def goes_on(stage: Stage, done: Callable[[], bool]) -> float:
    """Move the clock in small steps until it is so; returns how far."""
    for tenths in range(10_000):
        await calm()
        if done():
            return tenths / 10
        stage.clock.advance(0.1)
    raise AssertionError("it never came to pass")


async def test_a_start_is_tried_again_as_long_as_the_runtime_does_not_answer() -> None:
    with capture_logs() as lines:
        async with staged() as stage, asyncio.TaskGroup() as group:
            stage.runtime.breaks["start"] = [RuntimeUnavailable("does not answer")] * 8
            visitor = Visitor(stage, group)
            took = await goes_on(stage, lambda: visitor.lease is not None)
            assert took == pytest.approx(0.1 + 0.2 + 0.4 + 0.8 + 1.6 + 2 + 2 + 2, abs=1)
            await visitor.leaves()
    assert [line["reason"] for line in lines if line["event"] == "engine.start_delayed"] == ["does not answer"]


async def test_at_the_start_timeout_who_waits_is_told_that_it_was_not_the_engine() -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        stage.runtime.available = False
        visitor = Visitor(stage, group)
        assert await goes_on(stage, lambda: visitor.error is not None) == pytest.approx(60, abs=1)
        assert isinstance(visitor.error, EngineStartFailed)
        assert "cannot be reached" in visitor.error.message
        assert stage.engine.failure == "is run by a runtime that does not answer"
        stage.runtime.available = True
        await goes_on(stage, lambda: stage.phase is ASLEEP)
        await stage.is_ready()


async def test_requests_that_are_served_do_not_notice() -> None:
    async with staged(running=True) as stage, asyncio.TaskGroup() as group:
        visitor = Visitor(stage, group)
        lease = await visitor.decided()
        stage.runtime.available = False
        stage.runtime.hint()
        await goes_on(stage, lambda: stage.clock.monotonic() > 1200)
        assert stage.phase is READY
        await stage.is_ready()
        assert isinstance(lease, Lease)
        assert not lease.revoked
        stage.runtime.available = True
        await visitor.leaves()


async def test_a_start_that_is_given_up_is_not_tried_any_more() -> None:
    async with staged() as stage:
        stage.runtime.breaks["start"] = [RuntimeUnavailable("does not answer")] * 3
        stage.engine.tell(WakeAsked())
        await until(lambda: len(stage.runtime.breaks["start"]) == 2)
        stage.engine.tell(SleepAsked())
        await stage.reaches(ASLEEP)
        await goes_on(stage, lambda: stage.clock.monotonic() > 1100)
        assert len(stage.runtime.breaks["start"]) == 2


async def test_an_engine_that_starts_slowly_after_that_is_late() -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        stage.probe.answering.clear()
        stage.runtime.breaks["start"] = [RuntimeUnavailable("does not answer")]
        visitor = Visitor(stage, group)
        await goes_on(stage, lambda: stage.probe.asking == 1)
        assert stage.phase is WAKING
        await goes_on(stage, lambda: visitor.error is not None)
        assert isinstance(visitor.error, EngineStartTimeout)
