"""Engines that are stopped, though nobody here has ordered it."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from gateway.announcements import Announcements, WakeEnded
from gateway.errors import EndedAtOnce, EngineStartFailed, StartRefused
from gateway.lifecycle.phases import WAKING
from gateway.supervision.admission import Lease
from tests.unit.supervision.stage import Stage, Visitor, staged, supervised, until

pytestmark = pytest.mark.anyio


async def is_starting(stage: Stage, starts: int) -> None:
    await until(lambda: stage.runtime.calls.count("start") == starts)


async def is_booting(stage: Stage, starts: int = 1) -> None:
    await until(lambda: stage.runtime.starts == starts and stage.probe.asking == 1)


@pytest.mark.parametrize("exit_code", [0, 130, 137, 143])
async def test_who_waits_does_not_notice_that_somebody_stopped_the_engine_while_it_woke(exit_code: int) -> None:
    with capture_logs() as lines:
        async with staged() as stage, asyncio.TaskGroup() as group:
            stage.probe.answering.clear()
            visitors = [Visitor(stage, group) for _ in range(10)]
            await is_booting(stage)
            stage.runtime.crash(exit_code)
            await is_booting(stage, starts=2)
            stage.probe.answering.set()
            for visitor in visitors:
                assert isinstance(await visitor.decided(), Lease)
                await visitor.leaves()
            assert (stage.engine.failures, stage.runtime.stops) == (0, 0)
    (again,) = [line for line in lines if line["event"] == "engine.started_again"]
    assert (again["reason"], again["waiting"]) == (f"exited with code {exit_code}", 10)


async def test_if_it_ends_again_they_are_told_at_once() -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        stage.probe.answering.clear()
        visitor = Visitor(stage, group)
        for starts in (1, 2):
            await is_booting(stage, starts)
            stage.runtime.crash(0)
        assert isinstance(await visitor.decided(), EngineStartFailed)
        assert (stage.engine.failures, stage.runtime.starts) == (1, 2)


async def test_one_that_has_ended_before_it_was_looked_at_is_started_again_too() -> None:
    async with staged() as stage:
        stage.runtime.fail_next_start(EndedAtOnce("has ended", meant=True))
        await stage.is_ready()


@pytest.mark.parametrize("trouble", [EndedAtOnce("has ended", meant=False), StartRefused("no")])
async def test_other_failures_are_told_at_once(trouble: StartRefused) -> None:
    async with staged() as stage:
        stage.runtime.fail_next_start(trouble)
        with pytest.raises(EngineStartFailed):
            await stage.is_ready()
        assert stage.runtime.starts == 0


@pytest.mark.parametrize(("exit_code", "oom"), [(1, False), (137, True), (139, False)])
async def test_a_crash_is_told_at_once(exit_code: int, *, oom: bool) -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        stage.probe.answering.clear()
        visitor = Visitor(stage, group)
        await is_booting(stage)
        stage.runtime.crash(exit_code, oom=oom)
        assert isinstance(await visitor.decided(), EngineStartFailed)
        assert stage.runtime.starts == 1


async def test_both_starts_have_the_time_of_one() -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        stage.probe.answering.clear()
        visitor = Visitor(stage, group)
        await is_booting(stage)
        stage.clock.advance(59)
        stage.runtime.crash(143)
        await is_booting(stage, starts=2)
        stage.clock.advance(1)
        assert "not ready after 60 s" in str(await visitor.decided())


async def test_it_is_one_wake_whose_start_took_as_long_as_both() -> None:
    announce = Announcements()
    told: list[WakeEnded] = []
    announce.listen(WakeEnded, told.append)
    stage = Stage(announce=announce)
    async with supervised(stage), asyncio.TaskGroup() as group:
        stage.probe.answering.clear()
        stage.runtime.start_gate.clear()
        visitor = Visitor(stage, group)
        for starts, seconds in ((1, 2), (2, 3)):
            await is_starting(stage, starts)
            stage.clock.advance(seconds)
            stage.runtime.start_gate.set()
            await is_booting(stage, starts)
            stage.clock.advance(1)
            if starts == 1:
                stage.runtime.start_gate.clear()
                stage.runtime.crash(143)
        assert stage.phase is WAKING
        stage.probe.answering.set()
        await visitor.leaves()
    assert told == [WakeEnded("whisper", "ready", None, 2 + 1 + 3, 1)]
