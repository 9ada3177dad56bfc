"""Runtimes that take a call and say nothing, like a Docker that is frozen: who waits is told whose fault it was."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from gateway.errors import EngineStartFailed, EngineStartTimeout, RuntimeUnavailable, StartRefused, Unanswered
from gateway.lifecycle.events import WakeAsked
from gateway.lifecycle.phases import FAILED, READY, STOPPING, WAKING
from gateway.supervision import performer
from gateway.supervision.admission import Lease
from tests.unit.supervision.stage import Stage, Visitor, calm, staged, until

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(performer, "SILENT_AFTER", 0.05)


def freeze(stage: Stage) -> asyncio.Event:
    """From now on nothing is answered, until the event is set."""
    stage.runtime.start_gate.clear()
    return stage.runtime.hold("answers")


async def is_told(stage: Stage, visitor: Visitor, kind: type[Exception], words: str) -> None:
    await until(lambda: stage.engine.waiting == 1)
    stage.clock.advance(60)
    error = await visitor.decided()
    assert type(error) is kind
    assert words in str(error)
    await until(lambda: stage.phase is FAILED)


async def test_a_start_without_an_answer_is_the_runtimes_fault_where_it_does_not_answer_at_all() -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        freeze(stage)
        await is_told(stage, Visitor(stage, group), EngineStartFailed, "cannot be reached")
        assert stage.engine.failure == "is run by a runtime that does not answer"


async def test_who_comes_after_that_need_not_wait_for_a_rest() -> None:
    """It is tried for him as long as for the first, and the engine has done nothing to rest longer for."""
    async with staged() as stage, asyncio.TaskGroup() as group:
        for _ in range(3):
            frozen = freeze(stage)
            await is_told(stage, Visitor(stage, group), EngineStartFailed, "cannot be reached")
            frozen.set()
            await until(lambda: stage.engine.retry_in is not None)
            assert stage.engine.retry_in == 1
        stage.runtime.start_gate.set()
        await stage.is_ready()


async def test_who_comes_a_second_before_the_end_of_a_start_is_not_refused_with_who_began_it() -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        stage.runtime.available = False
        first = Visitor(stage, group)
        await calm()
        for _ in range(59):
            stage.clock.advance(1)
            await calm()
        late = Visitor(stage, group)
        await calm()
        stage.clock.advance(1)
        assert isinstance(await first.decided(), EngineStartFailed)
        assert stage.phase is WAKING
        stage.runtime.available = True
        await calm()
        stage.clock.advance(2.5)
        assert isinstance(await late.decided(), Lease)
        await late.leaves()
        assert stage.runtime.starts == 1


async def test_who_asks_all_the_time_is_no_burden_on_a_runtime_that_is_away() -> None:
    """However often somebody comes and is refused, the start is tried every two seconds, about."""
    async with staged() as stage, asyncio.TaskGroup() as group:
        stage.runtime.available = False
        refused = 0
        visitor = Visitor(stage, group)
        for _ in range(600):
            await calm()
            stage.clock.advance(1)
            if visitor.error:
                assert isinstance(visitor.error, EngineStartFailed)
                refused, visitor = refused + 1, Visitor(stage, group)
        assert 5 <= refused <= 10
        assert 200 <= stage.runtime.calls.count("start") <= 400
        visitor.task.cancel()


@pytest.mark.parametrize("trouble", [None, StartRefused("says no"), OSError("surprise")])
async def test_a_start_is_slow_where_the_runtime_answers_other_questions(trouble: Exception | None) -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        stage.runtime.start_gate.clear()
        stage.runtime.breaks["answers"] = [trouble] if trouble else []
        await is_told(stage, Visitor(stage, group), EngineStartTimeout, "not ready after 60 s")


async def test_a_start_that_waits_behind_a_look_without_an_answer_was_not_answered_either() -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        gate = stage.runtime.hold("inspect")
        stage.runtime.hint()
        await calm()
        stage.runtime.breaks["answers"] = [RuntimeUnavailable("is frozen")]
        await is_told(stage, Visitor(stage, group), EngineStartFailed, "cannot be reached")
        assert stage.engine.failure == "is frozen"
        gate.set()
        await until(lambda: stage.engine.retry_in is not None)
        assert stage.runtime.starts == 0


async def test_a_start_that_returns_while_the_runtime_is_asked_was_heard() -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        stage.probe.answering.clear()
        gate = freeze(stage)
        visitor = Visitor(stage, group)
        await until(lambda: "start" in stage.runtime.calls)
        stage.clock.advance(60)
        await calm()
        assert stage.phase is WAKING
        stage.runtime.start_gate.set()
        await until(lambda: stage.probe.asking == 1)
        gate.set()
        assert type(await visitor.decided()) is EngineStartTimeout


async def test_an_engine_that_has_become_ready_meanwhile_is_kept() -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        gate = freeze(stage)
        visitor = Visitor(stage, group)
        await until(lambda: "start" in stage.runtime.calls)
        stage.clock.advance(60)
        await calm()
        stage.runtime.start_gate.set()
        assert (await visitor.decided()) is visitor.lease
        gate.set()
        await visitor.leaves()
        assert stage.engine.failures == 0


async def test_a_gateway_that_ends_does_not_wait_for_the_answer() -> None:
    async with staged() as stage:
        freeze(stage)
        stage.engine.tell(WakeAsked())
        await until(lambda: "start" in stage.runtime.calls)
        stage.clock.advance(60)
        await calm()


# A stop without an answer

PENDING = Unanswered("was told to stop")


async def stops(stage: Stage, *troubles: Exception) -> None:
    """Its idle time is over, and its stop meets with these."""
    stage.runtime.breaks["stop"] = list(troubles)
    stage.clock.advance(900)
    await calm()


async def test_a_stop_that_may_still_be_carried_out_is_repeated_until_there_is_an_answer() -> None:
    with capture_logs() as lines:
        async with staged(running=True) as stage, asyncio.TaskGroup() as group:
            await stops(stage, PENDING, RuntimeUnavailable("is frozen"), PENDING, RuntimeUnavailable("is frozen"))
            visitor = Visitor(stage, group)
            for seconds in (0.1, 0.2, 0.4):
                await calm()
                assert (stage.phase, visitor.lease, stage.runtime.starts) == (STOPPING, None, 0)
                stage.clock.advance(seconds)
            await calm()
            stage.clock.advance(0.8)
            assert isinstance(await visitor.decided(), Lease)
            await visitor.leaves()
            assert (stage.runtime.stops, stage.runtime.starts) == (1, 1)
    assert [line["reason"] for line in lines if line["event"] == "engine.stop_delayed"] == ["was told to stop"]


async def test_who_waits_for_that_is_refused_in_time_and_told_why() -> None:
    async with staged(running=True) as stage, asyncio.TaskGroup() as group:
        await stops(stage, *[PENDING] * 1000)
        visitor = Visitor(stage, group)
        await until(lambda: stage.engine.waiting == 1)
        for _ in range(61):
            stage.clock.advance(1)
            await calm()
        error = await visitor.decided()
        assert type(error) is EngineStartFailed
        assert "cannot be reached" in str(error)
        assert (stage.phase, stage.runtime.starts) == (STOPPING, 0)


async def test_a_stop_that_nobody_heard_of_is_not_waited_for() -> None:
    """Docker is away, and the engine goes on: whoever comes is served."""
    async with staged(running=True) as stage:
        await stops(stage, RuntimeUnavailable("is not there"))
        await stage.is_ready()
        assert (stage.runtime.stops, stage.runtime.starts) == (0, 0)


async def test_an_answer_that_is_a_refusal_is_one() -> None:
    async with staged(running=True) as stage:
        await stops(stage, PENDING, StartRefused("says no"))
        stage.clock.advance(0.1)
        await until(lambda: stage.phase is READY)


async def test_remains_that_may_still_be_cleared_away_are_waited_for_before_the_next_start() -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        stage.runtime.breaks["start"] = [StartRefused("says no")]
        stage.runtime.breaks["stop"] = [PENDING] * 3
        visitor = Visitor(stage, group)
        assert type(await visitor.decided()) is EngineStartFailed
        stage.engine.tell(WakeAsked())
        await calm()
        assert (stage.phase, stage.runtime.starts) == (FAILED, 0)
        for seconds in (0.1, 0.2, 0.4):
            await calm()
            stage.clock.advance(seconds)
        await stage.reaches(READY)


async def test_neither_a_gateway_that_ends_nor_a_removed_engine_hangs_on_it() -> None:
    async with staged(running=True) as stage, asyncio.TaskGroup() as group:
        await stops(stage, *[PENDING] * 1000)
        ending = group.create_task(stage.engine.wind_up())
        await calm()
        assert not ending.done()
        stage.runtime.breaks["stop"].clear()
        stage.clock.advance(0.1)
        await until(ending.done)
        assert not stage.runtime.running
    async with staged(running=True) as stage:
        await stops(stage, *[PENDING] * 1000)


# An engine that cannot be looked at


async def test_an_engine_that_is_gone_with_its_runtime_has_not_failed() -> None:
    """As when the machine's Docker is stopped with all that it runs: whether the engine still does cannot be asked."""
    async with staged(running=True) as stage, asyncio.TaskGroup() as group:
        served = Visitor(stage, group)
        lease = await served.decided()
        assert isinstance(lease, Lease)
        stage.probe.answering.clear()
        stage.runtime.dies_unheard()
        stage.runtime.available = False
        lease.lost_contact()
        await served.leaves()
        waits = Visitor(stage, group)
        await calm()
        stage.clock.advance(60)
        await until(lambda: stage.phase is WAKING and stage.engine.waiting == 1)
        stage.runtime.available = True
        stage.probe.answering.set()
        stage.clock.advance(10)
        assert isinstance(await waits.decided(), Lease)
        assert stage.engine.failures == 0
        await waits.leaves()
