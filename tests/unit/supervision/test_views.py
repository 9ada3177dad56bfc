"""What a supervisor shows of its engine, and what it tells the log."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from gateway.errors import EngineCoolingDown, EngineStartFailed, StartRefused
from gateway.lifecycle.events import SeenStopped, WakeAsked
from gateway.lifecycle.phases import ASLEEP, FAILED, READY, STOPPING, WAKING
from tests.fixtures.patience import PATIENCE
from tests.unit.supervision.stage import Stage, Visitor, calm, staged, supervised, until

pytestmark = pytest.mark.anyio


async def test_the_repr_tells_the_state_in_one_line() -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        assert repr(stage.engine) == "<Engine whisper ASLEEP serving=0 waiting=0>"
        stage.probe.answering.clear()
        visitor = Visitor(stage, group)
        await calm()
        assert repr(stage.engine) == "<Engine whisper WAKING serving=0 waiting=1>"
        stage.probe.answering.set()
        await visitor.decided()
        assert repr(stage.engine) == "<Engine whisper READY serving=1 waiting=0>"
        await visitor.leaves()
        stage.clock.advance(782)
        assert repr(stage.engine) == "<Engine whisper READY serving=0 waiting=0 idle in 118s>"


async def test_uptime_is_counted_from_the_programs_start_not_from_ours() -> None:
    stage = Stage()
    stage.runtime.start_by_hand()
    stage.clock.advance(3600)
    async with supervised(stage):
        await stage.reaches(READY)
        assert stage.engine.uptime == 3600
        stage.clock.advance(100)
        assert stage.engine.uptime == 3700
        stage.clock.advance(800)
        await stage.reaches(ASLEEP)
        assert stage.engine.uptime is None


async def test_an_engine_that_is_being_started_has_no_uptime_yet() -> None:
    async with staged(running=True) as stage:
        stage.clock.advance(900)
        await stage.reaches(ASLEEP)
        stage.runtime.start_gate.clear()
        stage.engine.tell(WakeAsked())
        assert stage.engine.uptime is None
        stage.runtime.start_gate.set()
        await stage.reaches(READY)
        assert stage.engine.uptime == 0


async def test_an_engine_that_is_being_stopped_has_its_uptime_still() -> None:
    async with staged(running=True) as stage:
        stage.clock.advance(900)
        assert (stage.phase, stage.engine.uptime) == (STOPPING, 900)


async def test_the_time_in_a_phase_begins_anew_with_each_phase() -> None:
    async with staged() as stage:
        stage.clock.advance(5)
        assert stage.engine.in_phase_for == 5
        await stage.is_ready()
        assert stage.engine.in_phase_for == 0
        stage.clock.advance(7)
        assert stage.engine.in_phase_for == 7


async def test_a_wait_for_a_phase_that_is_there_already_ends_at_once() -> None:
    async with staged() as stage:
        with pytest.raises(StopIteration) as returned:
            stage.engine.wait_for(READY, ASLEEP).send(None)
        assert returned.value.value is ASLEEP


async def test_everybody_who_waits_for_a_phase_hears_of_it() -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        waits = [group.create_task(stage.engine.wait_for(*phases)) for phases in [(WAKING,), (READY, FAILED)]]
        gone = group.create_task(stage.engine.wait_for(STOPPING))
        await calm()
        gone.cancel()
        stage.engine.tell(WakeAsked())
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait(waits)
        assert not stage.engine._phase_waiters


async def test_who_gives_up_waiting_for_a_phase_in_the_moment_it_comes_disturbs_nobody() -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        wait = group.create_task(stage.engine.wait_for(WAKING))
        await calm()
        wait.cancel()
        stage.engine.tell(WakeAsked())
        await stage.reaches(READY)


async def test_a_phase_that_is_passed_through_at_once_ends_the_wait_for_it() -> None:
    """An engine that falls asleep and is woken by a request in the same moment has been asleep."""
    async with staged(running=True) as stage, asyncio.TaskGroup() as group:
        wait = group.create_task(stage.engine.wait_for(ASLEEP))
        await calm()
        stage.engine.tell(SeenStopped("exited with code 0"))
        stage.engine.tell(WakeAsked())
        assert stage.phase is WAKING
        async with asyncio.timeout(PATIENCE):
            assert await wait is ASLEEP


async def test_retry_after_counts_the_cool_down_down() -> None:
    async with staged() as stage:
        for error in ("one", "two", "three"):
            stage.runtime.fail_next_start(StartRefused(error))
            with pytest.raises(EngineStartFailed):
                await stage.is_ready()
            await until(lambda: len(stage.clock.pending) == 1)
            if error != "three":
                stage.clock.advance(stage.clock.pending[0])
        assert await retry_after(stage) == 4
        stage.clock.advance(1.5)
        assert await retry_after(stage) == 2.5
        stage.clock.advance(2.4)
        assert await retry_after(stage) == 1, "a client that comes at once would only come too early"
        stage.clock.advance(0.1)
        assert stage.phase is ASLEEP


async def test_while_the_remains_are_cleared_away_retry_after_is_the_whole_cool_down() -> None:
    async with staged() as stage:
        stage.runtime.fail_next_start(StartRefused("has no disk space left"))
        stage.runtime.stop_gate.clear()
        with pytest.raises(EngineStartFailed):
            await stage.is_ready()
        assert await retry_after(stage) == 1, "and not what is left of the start timeout"
        stage.runtime.stop_gate.set()


async def retry_after(stage: Stage) -> float | None:
    with pytest.raises(EngineCoolingDown) as refusal:
        await stage.is_ready()
    return refusal.value.retry_after


# The log


async def test_the_log_tells_each_phase_with_its_cause() -> None:
    with capture_logs() as lines:
        async with staged() as stage:
            await stage.is_ready()
            stage.clock.advance(900)
            await stage.reaches(ASLEEP)
    assert [(line["event"], line["engine"]) for line in lines] == [
        ("engine.waking", "whisper"),
        ("engine.ready", "whisper"),
        ("engine.stopping", "whisper"),
        ("engine.asleep", "whisper"),
    ]
    assert [line.get("cause") for line in lines] == ["RequestArrived", None, "AlarmRang", "Stopped"]
    assert (lines[0]["waiting"], lines[1]["admitted"], lines[2]["ready_for"]) == (1, 1, 900)


async def test_an_engines_last_words_go_to_the_log_when_it_fails_to_start() -> None:
    with capture_logs() as lines:
        async with staged() as stage:
            stage.runtime.lines = [f"line {number}" for number in range(30)]
            stage.probe.answering.clear()
            stage.engine.tell(WakeAsked())
            await until(lambda: stage.probe.asking == 1)
            stage.runtime.crash(exit_code=7)
            await until(lambda: stage.clock.pending == [1.0])
    (failed,) = [line for line in lines if line["event"] == "engine.failed"]
    assert (failed["reason"], failed["failures"], failed["log_level"]) == ("exited with code 7", 1, "error")
    said = [line["line"] for line in lines if line["event"] == "engine.said"]
    assert said == [*(f"line {number}" for number in range(22, 30)), "run 1 begins", "run 1 exited with code 7"]


async def test_an_engine_that_is_merely_put_to_sleep_has_no_last_words() -> None:
    with capture_logs() as lines:
        async with staged(running=True) as stage:
            stage.clock.advance(900)
            await stage.reaches(ASLEEP)
    assert "engine.said" not in {line["event"] for line in lines}
